"""The pydantic models of the native API's responses: its public contract."""

from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field, WithJsonSchema

from fashion_api.inference.calibration import Calibration
from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.manifest import InputSpec, TrainingRecord
from fashion_api.pictures.preparation import Fit, Turn
from fashion_api.pictures.resizing import Route
from fashion_api.wire.json_schema import BOUND, QUARTER_TURNS, Schema
from fashion_api.wire.words import FASHION, Reason

Probability = Annotated[float, Field(ge=0, le=1)]
Label = Annotated[str, Field(json_schema_extra={BOUND: "label"})]
"""One of the served model's labels."""
# No enumeration either: later versions add codes, and a generated client must read them.
ReasonCode = Annotated[Reason, WithJsonSchema({"type": "string", "examples": list(FASHION.reasons)})]


class ModelId(Schema):
    """The model that predicted."""

    model_config = ConfigDict(json_schema_extra={BOUND: "model"})

    name: str = Field(description="The model's name.")
    version: str = Field(description="The first 12 hex digits of the SHA-256 of the model's `.h5`.")


class Prediction(Schema):
    """What the model sees in one image."""

    model_config = ConfigDict(json_schema_extra={BOUND: "prediction"})

    label: Label = Field(description="The most probable class.")
    class_id: int = Field(ge=0, description="Its number, from 0.")
    probability: Probability = Field(description="Its probability.")
    probabilities: dict[str, Probability] = Field(description="Every class's probability, in the order of class ids.")
    calibrated: bool | None = Field(
        description="True where the probabilities are calibrated: on average over images like those of the training, "
        "90 % of those that are 0.9 are right. Else null."
    )
    prediction_set: list[Label] | None = Field(
        description="The classes that cannot be ruled out at the requested coverage, the most probable first. The "
        "coverage holds on average; with a model that has thresholds for each class, for each class on average. Null "
        "for a model that is not calibrated."
    )
    novelty: float | None = Field(
        ge=0,
        description="How unlike those that the model was trained on the image is, as a multiple of the threshold of "
        "the predicted class: nearly all images like those have at most 1. Null for a model that does not score it.",
    )
    accepted: bool | None = Field(
        description="Whether the image is accepted as one like those of the training: its novelty is at most 1. Null "
        "where there is no novelty."
    )
    reason: str | None = Field(description="Why the image is not accepted, as one sentence; null where it is.")
    reasons: list[ReasonCode] = Field(
        description="The codes of the reason; empty where the image is accepted. `unfamiliar` is always among them: "
        "the novelty is over 1. The others are hints from the pixels and the probabilities, for the caller to check: "
        "`turned` (by 90°), `low-contrast`, `too-small`, `at-edge`, `too-dark`, `unsure` (no class has half of the "
        "probability). Later versions may add codes."
    )
    route: Annotated[Route, WithJsonSchema({"type": "string", "examples": list(get_args(Route))})] = Field(
        description="How the image came to the model's size. `direct`: it had it. A picture of another size was "
        "resized: `fit` added black at two sides, `crop` cut two sides off, `stretch` changed the aspect ratio."
    )


class NamedPrediction(Prediction):
    """What the model sees in one uploaded picture."""

    model_config = ConfigDict(json_schema_extra={BOUND: "named_prediction"})

    filename: str | None = Field(description="The file's name without folders; null for a raw body.")


class PredictionList(Schema):
    """The predictions for a JSON body."""

    model: ModelId = Field(description="The model that predicted.")
    predictions: list[Prediction] = Field(description="One for each image, in their order.")


class UploadPredictionList(Schema):
    """The predictions for uploaded files."""

    model: ModelId = Field(description="The model that predicted.")
    predictions: list[NamedPrediction] = Field(description="One for each file, in their order.")


class Explanation(Schema):
    """What the model sees in one image, and which parts of it mattered."""

    model_config = ConfigDict(json_schema_extra={BOUND: "explanation"})

    label: Label = Field(description="The most probable class.")
    class_id: int = Field(ge=0, description="Its number, from 0.")
    probability: Probability = Field(description="Its probability.")
    heat_map: list[list[Annotated[float, Field(ge=-1, le=1)]]] = Field(
        description="For each pixel, row by row, by how much covering it lowers the probability; below 0 where that "
        "raises it."
    )


class ExplanationList(Schema):
    """The explanations for a JSON body."""

    model: ModelId = Field(description="The model that predicted.")
    explanations: list[Explanation] = Field(description="One for each image, in their order.")


class LabelledImage(Schema):
    """A test image and what it actually shows."""

    model_config = ConfigDict(json_schema_extra={BOUND: "labelled_image"})

    index: int = Field(ge=0, description="The image's place in the test set, from 0.")
    label: Label = Field(description="What it actually shows.")
    class_id: int = Field(ge=0, description="The number of that class, from 0.")


class ListedImage(LabelledImage):
    """A test image in a list, with what the model sees in it where the query is about that."""

    model_config = ConfigDict(
        json_schema_extra={BOUND: "listed_image"},
        json_schema_serialization_defaults_required=False,  # what is unset is left out
    )

    predicted: Label | None = Field(None, description="What the model sees in it.")
    correct: bool | None = Field(None, description="Whether that is what it shows.")
    accepted: bool | None = Field(None, description="As in a prediction.")
    probability: Probability | None = Field(None, description="The probability of what the model sees.")
    novelty: float | None = Field(None, ge=0, description="As in a prediction.")


class LabelledImagePage(Schema):
    """A page of the test set."""

    total: int = Field(ge=0, description="How many test images there are that the query asks for.")
    offset: int = Field(ge=0, description="How many images were skipped.")
    limit: int = Field(ge=1, description="The most images that the page may hold.")
    items: list[ListedImage] = Field(
        description="The images of this page. `predicted`, `correct`, `accepted`, `probability` and `novelty` are "
        "there if one of `predicted`, `correct`, `accepted` and `sort` is in the query."
    )


class ConfusionMatrix(Schema):
    """How often the model sees each class in the test images of each class."""

    model_config = ConfigDict(json_schema_extra={BOUND: "confusion_matrix"})

    labels: list[Label] = Field(description="The classes, in the order of class ids.")
    matrix: list[list[int]] = Field(
        description="Numbers of images: a row for what they actually show, a column for what the model sees in them."
    )
    refused: list[int] | None = Field(
        description="How many of the images that actually show each class are not accepted; null for a model that does "
        "not score novelty."
    )
    total: int = Field(ge=0, description="How many test images there are.")
    model: ModelId = Field(description="The model that predicted.")


class LabelledPrediction(Schema):
    """What the model sees in a test image, and what the image actually shows."""

    model_config = ConfigDict(json_schema_extra={BOUND: "labelled_prediction"})

    index: int = Field(ge=0, description="The image's place in the test set, from 0.")
    actual: Label = Field(description="What it actually shows.")
    correct: bool = Field(description="Whether the prediction is right.")
    prediction: Prediction = Field(description="What the model sees in it.")
    model: ModelId = Field(description="The model that predicted.")


class SourceSize(Schema):
    """The size of a picture before it was cropped."""

    width: int = Field(ge=1, description="Pixels to a row of the upright and turned picture.")
    height: int = Field(ge=1, description="Its rows.")


class PreparationSteps(Schema):
    """What was done to a picture, in this order."""

    upright: bool = Field(description="Whether the EXIF data had it turned or mirrored.")
    turn: Annotated[Turn, WithJsonSchema(QUARTER_TURNS)] = Field(
        description="Degrees clockwise by which it was turned then."
    )
    crop: Annotated[list[Probability], Field(min_length=4, max_length=4)] = Field(
        description="Which part of it is shown: x, y, width and height in fractions of its width and height."
    )
    inverted: bool = Field(description="Whether black and white were exchanged.")
    fit: Fit = Field(description="How it was brought to the model's aspect ratio.")


class Preparation(Schema):
    """A picture as the model takes it, and what was done to it."""

    model_config = ConfigDict(json_schema_extra={BOUND: "preparation"})

    image: str = Field(
        description="A PNG of the model's size in base64, grey or in colour as its images are, which can be sent to "
        "`/api/v1/predictions` as it is.",
        json_schema_extra={"contentEncoding": "base64", "contentMediaType": "image/png"},
    )
    source: SourceSize = Field(description="The size of the picture before it was cropped.")
    steps: PreparationSteps = Field(description="What was done to it.")


class PendingModel(Schema):
    """What the file of the model has now, and why it is not served."""

    state: Literal["waiting", "refused"] = Field(
        description="`waiting`: its `.h5` and its manifest do not agree, perhaps not yet; `refused`: it cannot be "
        "served."
    )
    version: str | None = Field(description="The version of its `.h5`; null where that could not be read.")
    reason: str = Field(description="Why it is not served; the log says more.")


class ModelWords(Schema):
    """What texts for people say of the model's pictures."""

    question: str = Field(description="What a person asks the model.")
    advice: str = Field(description="What a picture should be like.")
    subject: str = Field(description="What a picture shows, as in `closer to {subject}`.")
    known: str = Field(description="What the model was trained on, as in `it looks like {known} that the model knows`.")
    limits: str = Field(description="What to do about a picture that is not accepted.")


class ModelCard(Schema):
    """The model that is served."""

    name: str = Field(description="The model's name.")
    version: str = Field(description="The first 12 hex digits of the SHA-256 of the model's `.h5`.")
    labels: list[Label] = Field(description="The classes, in the order of class ids.")
    input: InputSpec = Field(description="What one image is.")
    engine: str = Field(description="The engine that computes the predictions.")
    training: TrainingRecord | None = Field(description="How it was trained; null where the manifest does not say.")
    calibration: Calibration | None = Field(
        description="What was fitted on validation images; null where the manifest does not say."
    )
    evaluation: EvaluationRecord | None = Field(
        description="How it scored on the test set; null where the manifest does not say."
    )
    pending: PendingModel | None = Field(
        description="What the model's file has now, where that is not served; null where it is."
    )
    words: ModelWords = Field(description="For texts about its pictures, as those of the page.")


class Health(Schema):
    """The answer of a health check."""

    status: Literal["ok"] = Field(
        "ok", description="Always `ok`; a service that is not healthy answers with a problem."
    )


class ErrorDetail(Schema):
    """One of several things that are wrong."""

    where: str = Field(description="The part of the request.", examples=["images[0][3][27]"])
    message: str = Field(description="What is wrong with it, and what is accepted.")


class ProblemDetails(Schema):
    """What went wrong, as RFC 9457 has it."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)  # `errors` may be missing

    type: str = Field(
        description="The kind of problem: the address of its explanation.",
        json_schema_extra={"format": "uri-reference"},
    )
    title: str = Field(description="The kind of problem in words.")
    status: int = Field(description="The HTTP status code.")
    detail: str = Field(description="What is wrong with this request, and what is accepted.")
    instance: str = Field(description="The path of the request.")
    request_id: str = Field(description="The request's id in the log; also in `X-Request-ID`.")
    errors: list[ErrorDetail] | None = Field(
        None, description="What is wrong, for each part of the request; at most 20."
    )


class ProtocolError(Schema):
    """What went wrong, as the clients of the inference protocols read it."""

    error: str = Field(description="What is wrong with this request, and what is accepted.")
