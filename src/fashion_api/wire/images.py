"""The pydantic type of one image in JSON: rows of pixels, grey or in colour, or a picture file in base64."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice
from operator import iconcat
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field, PlainValidator, ValidationError, ValidationInfo
from pydantic_core import InitErrorDetails

from fashion_api.errors import MAX_FAULTS, ImageError, WrongSizeError
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import decode_image, read_base64
from fashion_api.pictures.resizing import Resize
from fashion_api.wire.json_schema import BOUND, PICTURE_FILE
from fashion_api.wire.mistakes import describe_image_mistake, name_row
from fashion_api.wire.validation import make_error, name_json_type, name_value

_PIXEL_MAX = 255


class ImageContext(NamedTuple):
    """The validation context of images: which are accepted."""

    spec: InputSpec
    max_images: int
    """The most images of one request."""
    may_hold_booleans: bool = True
    """Whether rows may hold booleans, which `bytes` would read as 0 and 1; `False` allows the fast conversion."""
    resize: Resize | None = None
    """How pictures of another size are resized; `None`: they are refused."""


class OtherSize(NamedTuple):
    """A picture file of another size than the model's, and how it is to be resized."""

    content: bytes
    resize: Resize


def _read_pixels(value: object, info: ValidationInfo[ImageContext]) -> bytes | OtherSize:
    """Convert one image of parsed JSON to its pixels, height × width × channels bytes.

    Raises:
        PydanticCustomError: the image as a whole is wrong.
        ValidationError: rows or pixels of it are wrong, at most `MAX_FAULTS` of them.
    """
    context = info.context
    if isinstance(value, list):
        pixels = None if context.may_hold_booleans else _convert_rows(value, context.spec)
        return _convert_odd_rows(value, context.spec) if pixels is None else pixels
    if not isinstance(value, str):
        wanted = f"{context.spec.height} rows of {name_row(context.spec.shape)}, or a base64 string"
        raise make_error(f"must be {wanted}, not {name_json_type(value)}")
    try:
        return _read_picture(read_base64(value), context)
    except ImageError as error:
        raise make_error(str(error)) from None


def _read_picture(content: bytes, context: ImageContext) -> bytes | OtherSize:
    spec = context.spec
    try:
        return decode_image(content, height=spec.height, width=spec.width, channels=spec.channels).tobytes()
    except WrongSizeError:
        if context.resize is None:
            raise
        return OtherSize(content, context.resize)


_Row = Annotated[list[Annotated[int, Field(ge=0, le=_PIXEL_MAX)]], Field(json_schema_extra={BOUND: "row"})]
_Rows = Annotated[list[_Row], Field(title="Rows of pixels", json_schema_extra={BOUND: "rows"})]
_Base64 = Annotated[
    str,
    Field(
        title="A picture file in base64",
        description="A PNG, JPEG, GIF, BMP or WebP file, or a `data:` URL of it.",
        json_schema_extra=PICTURE_FILE,
    ),
]

Pixels = Annotated[bytes | OtherSize, PlainValidator(_read_pixels, json_schema_input_type=_Rows | _Base64)]
"""The pixels of one image, row by row, or its file; validated with an `ImageContext`.

pydantic's own `list[list[int]] | str` would visit each of the 784 pixels of an image as a value of its own, and report
a bad pixel once for each side of the union.
"""


def _convert_rows(rows: list[Any], spec: InputSpec) -> bytes | None:
    """Convert rows of integers without booleans; `None` for rows of another length or with other values."""
    try:
        if list(map(len, rows)) != [spec.width] * spec.height:
            return None
        values: list[Any] = []
        values = reduce(iconcat, rows, values)
        if spec.channels > 1:
            if list(map(len, values)) != [spec.channels] * len(values):
                return None
            pixels, values = values, []
            values = reduce(iconcat, pixels, values)
        return bytes(values)
    except (TypeError, ValueError):
        return None


def _convert_odd_rows(rows: list[object], spec: InputSpec) -> bytes:
    """Convert rows that may hold anything; accepts whole numbers that are written as 1.0."""
    faults = list(islice(_find_faults(rows, spec), MAX_FAULTS))
    mistake = describe_image_mistake(rows, spec.shape) if faults else None
    if mistake is not None:
        raise make_error(mistake)
    if faults:
        raise ValidationError.from_exception_data("image", faults, hide_input=True)
    return np.array(rows, np.uint8).tobytes()


def _find_faults(rows: Sequence[object], spec: InputSpec) -> Iterator[InitErrorDetails]:
    width, row_form = spec.width, name_row(spec.shape)
    if len(rows) != spec.height:
        yield _make_fault((), f"has {len(rows)} rows, not {spec.height}")
    for y, row in enumerate(rows):
        if not isinstance(row, list):
            yield _make_fault((y,), f"must be a row of {row_form}, not {name_json_type(row)}")
        elif len(row) != width:
            yield _make_fault((y,), f"has {len(row)} {'values' if spec.channels == 1 else 'pixels'}, not {width}")
        elif spec.channels == 1:
            yield from _find_value_faults((y,), row)
        else:
            yield from _find_pixel_faults(y, row, spec.channels)


def _find_pixel_faults(y: int, row: Sequence[object], channels: int) -> Iterator[InitErrorDetails]:
    for x, pixel in enumerate(row):
        if not isinstance(pixel, list):
            yield _make_fault((y, x), f"must be a pixel, a list of {channels} whole numbers, not {name_value(pixel)}")
        elif len(pixel) != channels:
            yield _make_fault((y, x), f"has {len(pixel)} values, not {channels}")
        else:
            yield from _find_value_faults((y, x), pixel)


def _find_value_faults(location: tuple[int, ...], values: Sequence[object]) -> Iterator[InitErrorDetails]:
    for position, value in enumerate(values):
        if not _is_pixel(value):
            yield _make_fault((*location, position), f"must be a whole number from 0 to 255, not {name_value(value)}")


def _make_fault(location: tuple[int, ...], message: str) -> InitErrorDetails:
    return InitErrorDetails(type=make_error(message), loc=location, input=None)


def _is_pixel(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= _PIXEL_MAX and value == int(value)
