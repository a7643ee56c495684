"""The pydantic models of the native API's responses: its public contract."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from fashion_api.inference.calibration import Calibration
from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.manifest import InputSpec, TrainingRecord
from fashion_api.pictures.preparation import Fit, Turn
from fashion_api.wire.examples import IMAGE_BASE64
from fashion_api.wire.predictions import Reason

Probability = Annotated[float, Field(ge=0, le=1)]

EXAMPLE_PROBABILITIES: JsonDict = {
    "T-shirt/top": 0.0,
    "Trouser": 0.0,
    "Pullover": 0.0,
    "Dress": 0.0,
    "Coat": 0.0,
    "Sandal": 0.008,
    "Shirt": 0.0,
    "Sneaker": 0.012,
    "Bag": 0.0,
    "Ankle boot": 0.98,
}
EXAMPLE_PREDICTION: JsonDict = {
    "label": "Ankle boot",
    "class_id": 9,
    "probability": 0.98,
    "probabilities": EXAMPLE_PROBABILITIES,
    "calibrated": True,
    "prediction_set": ["Ankle boot"],
    "novelty": 0.02,
    "accepted": True,
    "reason": None,
    "reasons": [],
}
EXAMPLE_MODEL: JsonDict = {"name": "fashion_mnist", "version": "0123456789ab"}


class _Schema(BaseModel):
    model_config = ConfigDict(frozen=True, protected_namespaces=())


class ModelId(_Schema):
    """The model that predicted."""

    name: str = Field(description="The model's name.", examples=["fashion_mnist"])
    version: str = Field(
        description="The first 12 hex digits of the SHA-256 of the model's `.h5`.", examples=["0123456789ab"]
    )


class Prediction(_Schema):
    """What the model sees in one image."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_PREDICTION]})

    label: str = Field(description="The most probable class.")
    class_id: int = Field(ge=0, description="Its number, from 0.")
    probability: Probability = Field(description="Its probability.")
    probabilities: dict[str, Probability] = Field(description="Every class's probability, in the order of class ids.")
    calibrated: bool | None = Field(
        description="True where the probabilities are calibrated: on average over images of articles, 90 % of those "
        "that are 0.9 are right. Else null."
    )
    prediction_set: list[str] | None = Field(
        description="The classes that cannot be ruled out at the requested coverage, the most probable first. The "
        "coverage holds on average; with a model that has thresholds for each class, for each class on average. Null "
        "for a model that is not calibrated."
    )
    novelty: float | None = Field(
        ge=0,
        description="How unlike the articles that the model was trained on the image is, as a multiple of the "
        "threshold of the predicted class: nearly all images of articles have at most 1. Null for a model that does "
        "not score it.",
    )
    accepted: bool | None = Field(
        description="Whether the image is accepted as one of an article: its novelty is at most 1. Null where there is "
        "no novelty."
    )
    reason: str | None = Field(description="Why the image is not accepted, as one sentence; null where it is.")
    reasons: list[Reason] = Field(
        description="The codes of the reason; empty where the image is accepted. `unfamiliar` is always among them: "
        "the novelty is over 1. The others are hints from the pixels and the probabilities, for the caller to check: "
        "`turned` (by 90°), `low-contrast`, `too-small`, `at-edge`, `too-dark`, `unsure` (no class has half of the "
        "probability). Later versions may add codes."
    )


class NamedPrediction(Prediction):
    """What the model sees in one uploaded picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**EXAMPLE_PREDICTION, "filename": "boot.png"}]})

    filename: str | None = Field(description="The file's name without folders; null for a raw body.")


class PredictionList(_Schema):
    """The predictions for a JSON body."""

    model: ModelId = Field(description="The model that predicted.")
    predictions: list[Prediction] = Field(description="One for each image, in their order.")


class UploadPredictionList(_Schema):
    """The predictions for uploaded files."""

    model: ModelId = Field(description="The model that predicted.")
    predictions: list[NamedPrediction] = Field(description="One for each file, in their order.")


class LabelledImage(_Schema):
    """A test image and what it actually shows."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"index": 0, "label": "Ankle boot", "class_id": 9}]})

    index: int = Field(ge=0, description="The image's place in the test set, from 0.")
    label: str = Field(description="What it actually shows.")
    class_id: int = Field(ge=0, description="The number of that class, from 0.")


class LabelledImagePage(_Schema):
    """A page of the test set."""

    total: int = Field(ge=0, description="How many test images there are, of that label if one was given.")
    offset: int = Field(ge=0, description="How many images were skipped.")
    limit: int = Field(ge=1, description="The most images that the page may hold.")
    items: list[LabelledImage] = Field(description="The images of this page.")


class LabelledPrediction(_Schema):
    """What the model sees in a test image, and what the image actually shows."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "index": 0,
                    "actual": "Ankle boot",
                    "correct": True,
                    "prediction": EXAMPLE_PREDICTION,
                    "model": EXAMPLE_MODEL,
                }
            ]
        }
    )

    index: int = Field(ge=0, description="The image's place in the test set, from 0.")
    actual: str = Field(description="What it actually shows.")
    correct: bool = Field(description="Whether the prediction is right.")
    prediction: Prediction = Field(description="What the model sees in it.")
    model: ModelId = Field(description="The model that predicted.")


class SourceSize(_Schema):
    """The size of a picture before it was cropped."""

    width: int = Field(ge=1, description="Pixels to a row of the upright and turned picture.")
    height: int = Field(ge=1, description="Its rows.")


class PreparationSteps(_Schema):
    """What was done to a picture, in this order."""

    upright: bool = Field(description="Whether the EXIF data had it turned or mirrored.")
    turn: Turn = Field(description="Degrees clockwise by which it was turned then.")
    crop: Annotated[list[Probability], Field(min_length=4, max_length=4)] = Field(
        description="Which part of it is shown: x, y, width and height in fractions of its width and height."
    )
    inverted: bool = Field(description="Whether black and white were exchanged.")
    fit: Fit = Field(description="How it was brought to the model's aspect ratio.")


class Preparation(_Schema):
    """A picture as the model takes it, and what was done to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "image": IMAGE_BASE64,
                    "source": {"width": 4000, "height": 3000},
                    "steps": {
                        "upright": True,
                        "turn": 0,
                        "crop": [0.0, 0.0, 1.0, 1.0],
                        "inverted": False,
                        "fit": "contain",
                    },
                }
            ]
        }
    )

    image: str = Field(
        description="A grey PNG of the model's size in base64, which can be sent to `/api/v1/predictions` as it is.",
        json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"},
    )
    source: SourceSize = Field(description="The size of the picture before it was cropped.")
    steps: PreparationSteps = Field(description="What was done to it.")


class ModelCard(_Schema):
    """The model that is served."""

    name: str = Field(description="The model's name.")
    version: str = Field(description="The first 12 hex digits of the SHA-256 of the model's `.h5`.")
    labels: list[str] = Field(description="The classes, in the order of class ids.")
    input: InputSpec = Field(description="What one image is.")
    engine: str = Field(description="The engine that computes the predictions.")
    training: TrainingRecord | None = Field(description="How it was trained; null where the manifest does not say.")
    calibration: Calibration | None = Field(
        description="What was fitted on validation images; null where the manifest does not say."
    )
    evaluation: EvaluationRecord | None = Field(
        description="How it scored on the test set; null where the manifest does not say."
    )


class Health(_Schema):
    """The answer of a health check."""

    status: Literal["ok"] = Field(
        "ok", description="Always `ok`; a service that is not healthy answers with a problem."
    )


class ErrorDetail(_Schema):
    """One of several things that are wrong."""

    where: str = Field(description="The part of the request.", examples=["images[0][3][27]"])
    message: str = Field(description="What is wrong with it, and what is accepted.")


class ProblemDetails(_Schema):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(description="The kind of problem; its address describes all kinds.")
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="What is wrong with this request, and what is accepted.")
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(description="The request's id in the log; also in `X-Request-ID`.")
    errors: list[ErrorDetail] | None = Field(
        None, description="What is wrong, for each part of the request; at most 20."
    )
