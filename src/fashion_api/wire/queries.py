"""The parameters of queries and paths."""

import re
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from fashion_api.inference.calibration import COVERAGES, DEFAULT_COVERAGE
from fashion_api.pictures.preparation import WHOLE, Crop, Fit, Turn, check_crop
from fashion_api.wire.json_schema import BOUND, CROP, QUARTER_TURNS
from fashion_api.wire.operation import RequestHead
from fashion_api.wire.validation import make_error, to_whole_number, validate

MAX_SCALE = 40

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,100}")
_COVERAGES = ", ".join(f"{coverage:g}" for coverage in COVERAGES)


def _check_coverage(value: object) -> float:
    try:
        coverage = float(value) if isinstance(value, (str, float)) else None
    except ValueError:
        coverage = None
    if coverage not in COVERAGES:
        raise make_error(f"must be one of {_COVERAGES}")
    return coverage


def _read_digits(value: object) -> object:
    return int(value) if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value) else value


def _check_whole_number(value: object) -> int:
    number = to_whole_number(_read_digits(value))
    if number is None:
        raise make_error("must be a whole number")
    return number


def _read_crop(value: object) -> Crop:
    try:
        crop = Crop(*map(float, str(value).split(",")))
    except (TypeError, ValueError):
        raise make_error("must be four numbers, x,y,width,height") from None
    try:
        return check_crop(crop)
    except ValueError as error:
        raise make_error(str(error)) from None


Coverage = Annotated[
    float,
    BeforeValidator(_check_coverage),
    # Texts, as all of a query is: generators of clients leave out operations that have an enumeration of numbers.
    WithJsonSchema(
        {
            "type": "string",
            "enum": [f"{coverage:g}" for coverage in COVERAGES],
            "x-enum-varnames": [f"PERCENT_{coverage * 100:.0f}" for coverage in COVERAGES],
        }
    ),
]

ImageIndex = Annotated[
    int,
    BeforeValidator(_check_whole_number),
    Field(description="The image's place in the test set, from 0.", examples=[0], json_schema_extra={"minimum": 0}),
]
"""A whole number; whether a test image has this index is not checked."""


class _Parameters(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictionQuery(_Parameters):
    """The query of the routes that predict."""

    coverage: Coverage = Field(
        DEFAULT_COVERAGE,
        description="In which share of cases the prediction set is to hold the right class.",
        json_schema_extra={"default": f"{DEFAULT_COVERAGE:g}"},
    )


def _read_flag(value: object) -> object:
    if value not in (True, False, "true", "false"):
        raise make_error("must be true or false")
    return value in (True, "true")


_Label = Annotated[str | None, WithJsonSchema({"type": "string", BOUND: "labels"})]
_Flag = Annotated[bool | None, BeforeValidator(_read_flag), WithJsonSchema({"type": "boolean"})]
Order = Literal["index", "confidence", "-confidence", "novelty", "-novelty"]


class LabelledImagesQuery(_Parameters):
    """The query of the list of test images."""

    offset: int = Field(0, ge=0, description="How many images to skip.")
    limit: int = Field(100, ge=1, le=1000, description="The most images to list.")
    label: _Label = Field(None, description="List only the images of this class; its case does not matter.")
    predicted: _Label = Field(None, description="List only the images in which the model sees this class.")
    correct: _Flag = Field(
        None, description="List only the images in which the model sees what they show, or does not."
    )
    accepted: _Flag = Field(None, description="List only the images that the model accepts, or does not.")
    sort: Order = Field(
        default_factory=lambda: "index",  # not in the schema: generated clients would always send it
        description="The order: by the index (as where it is not given), by the probability of what the model sees, or "
        "by its novelty; with `-`, the highest first.",
    )

    @property
    def needs_predictions(self) -> bool:
        """Whether a parameter is given that is about what the model sees."""
        return not self.model_fields_set.isdisjoint(("predicted", "correct", "accepted", "sort"))


class PictureQuery(_Parameters):
    """The query of a test image's picture."""

    scale: int = Field(
        1, ge=1, le=MAX_SCALE, description="How many times the picture is enlarged, by nearest neighbour."
    )


class PreparationQuery(_Parameters):
    """The query of a preparation."""

    crop: Annotated[Crop, BeforeValidator(_read_crop), WithJsonSchema({"type": "string", "format": CROP})] = Field(
        default_factory=lambda: WHOLE,
        description="Which part is shown, `x,y,width,height`: fractions from 0 to 1 of the upright and turned picture, "
        "whose size `source` gives; all of it where this is not given.",
        examples=["0.25,0.1,0.5,0.8"],
    )
    turn: Annotated[Turn, BeforeValidator(_read_digits), WithJsonSchema(QUARTER_TURNS)] = Field(
        0, description="Degrees clockwise by which the picture is turned once it is upright, as its EXIF data says."
    )
    invert: Literal["auto", "true", "false"] = Field(
        "auto",
        description="Whether black and white are exchanged, for a model that takes things light on black; `auto`: "
        "where a picture becomes grey, and its border is lighter than its middle.",
    )
    fit: Fit = Field(
        "contain",
        description="Where the aspect ratio differs from the model's: `contain` adds black at two sides, `cover` cuts "
        "two sides off, `stretch` changes it.",
    )


class LabelledImagePath(_Parameters):
    """The path of a test image."""

    index: ImageIndex


QueryT = TypeVar("QueryT", bound=BaseModel)


def read_query(head: RequestHead, model: type[QueryT]) -> QueryT:
    """Read the query's parameters.

    Raises:
        InvalidRequestError: one of them is wrong; says which, and what is accepted.
    """
    return validate(model, head.read_query())


def read_index(head: RequestHead) -> int:
    """Read the index of a test image from the path.

    Raises:
        InvalidRequestError: it is not a whole number.
    """
    return validate(LabelledImagePath, {"index": head.parameters[0]}).index
