"""The parameters of queries and paths."""

import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from fashion_api.inference.calibration import COVERAGES, DEFAULT_COVERAGE
from fashion_api.wire.json_schema import BOUND
from fashion_api.wire.operation import RequestHead
from fashion_api.wire.validation import make_error, validate

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


def _check_whole_number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    raise make_error("must be a whole number")


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


class LabelledImagesQuery(_Parameters):
    """The query of the list of test images."""

    offset: int = Field(0, ge=0, description="How many images to skip.")
    limit: int = Field(100, ge=1, le=1000, description="The most images to list.")
    label: Annotated[str | None, WithJsonSchema({"type": "string", BOUND: "labels"})] = Field(
        None, description="List only the images of this class; its case does not matter."
    )


class PictureQuery(_Parameters):
    """The query of a test image's picture."""

    scale: int = Field(
        1, ge=1, le=MAX_SCALE, description="How many times the picture is enlarged, by nearest neighbour."
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
    return validate(LabelledImagePath, {"index": head.parameter}).index
