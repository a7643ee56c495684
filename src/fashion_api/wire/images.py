"""The JSON form of a prediction request: bytes of a body in, one array of images out.

Not left to pydantic: it would visit each of the 784 pixels of an image as a value of its own, and a union of rows and
base64 would report a bad pixel as two errors. The pydantic model `PredictionRequest` documents the same form.
"""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import orjson
from pydantic_core import from_json

from fashion_api.errors import MAX_FAULTS, Fault, ImageError, InvalidRequestError
from fashion_api.images import Images
from fashion_api.pictures.decoding import decode_base64

_PIXEL_MAX = 255
_LONG_NUMBER = 10**12


def parse_images(body: bytes, *, height: int, width: int, max_images: int) -> Images:
    """Read `{"images": [IMAGE, …]}`; an IMAGE is rows of whole numbers 0–255, or a base64 picture file.

    Returns:
        uint8[n, height, width], n from 1 to `max_images`, read-only.

    Raises:
        InvalidRequestError: the body is anything else; says where and what, for each image that is wrong.
    """
    items = _read_items(body, max_images)
    may_hold_booleans = _may_hold_booleans(body)
    images: list[bytes] = []
    faults: list[Fault] = []
    for position, item in enumerate(items):
        pixels = None if may_hold_booleans else _read_rows(item, height, width)
        try:
            images.append(_read_item(item, f"images[{position}]", height, width) if pixels is None else pixels)
        except InvalidRequestError as error:
            faults.extend(error.faults)
    if faults:
        raise InvalidRequestError(faults)
    joined = images[0] if len(images) == 1 else b"".join(images)
    return np.frombuffer(joined, np.uint8).reshape(len(images), height, width)


def _may_hold_booleans(body: bytes) -> bool:
    """Tell whether there may be booleans, which `bytes` would take for 1 and 0.

    Single letters are found forty times as fast as words, and rows of numbers have neither of these.
    """
    return (b"r" in body or b"l" in body) and (b"true" in body or b"false" in body)


def _read_items(body: bytes, max_images: int) -> list[object]:
    document = _parse_json(body)
    if not isinstance(document, dict):
        raise _refusal("", f'the body must be an object like {{"images": […]}}, not {_kind(document)}')
    if "images" not in document:
        raise _refusal("images", "is missing; it must be a list of images")
    items = document["images"]
    if not isinstance(items, list):
        raise _refusal("images", f"must be a list of images, not {_kind(items)}")
    if not items:
        raise _refusal("images", "is empty; at least one image is needed")
    if len(items) > max_images:
        raise _refusal("images", f"holds {len(items)} images, but one request may hold {max_images}")
    return items


def _parse_json(body: bytes) -> object:
    """Parse JSON with orjson, twice as fast (8 of 17 µs an image); what it refuses, NaN too, with pydantic's parser.

    That takes NaN, which is then refused with its place, and says where a body stops being JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return from_json(body, allow_inf_nan=True)
    except ValueError as error:
        place = str(error).rpartition(" at ")[2]
        raise _refusal("", f"the body is not JSON: see {place}") from None


def _read_rows(item: object, height: int, width: int) -> bytes | None:
    """Read a well-formed image of rows, fast; `None` for any other, which is then looked at slowly."""
    if type(item) is not list or len(item) != height:
        return None
    try:  # len() refuses what is no row but a number, and bytes() strings and objects
        return b"".join(map(bytes, item)) if list(map(len, item)) == [width] * height else None
    except (TypeError, ValueError):
        return None


def _read_item(item: object, where: str, height: int, width: int) -> bytes:
    """Read one image, or say all that is wrong with it."""
    if isinstance(item, str):
        try:
            return decode_base64(item, height=height, width=width).tobytes()
        except ImageError as error:
            raise _refusal(where, str(error)) from None
    if not isinstance(item, list):
        raise _refusal(where, f"must be {height} rows of {width} whole numbers, or a base64 string, not {_kind(item)}")
    faults = list(islice(_find_faults(item, where, height, width), MAX_FAULTS))
    if faults:
        raise InvalidRequestError(faults)
    return np.array(item, np.uint8).tobytes()  # whole numbers written as 1.0 end here


def _find_faults(rows: Sequence[object], where: str, height: int, width: int) -> Iterator[Fault]:
    if len(rows) != height:
        yield Fault(where, f"has {len(rows)} rows, not {height}")
    for y, row in enumerate(rows):
        if not isinstance(row, list):
            yield Fault(f"{where}[{y}]", f"must be a row of {width} whole numbers, not {_kind(row)}")
        elif len(row) != width:
            yield Fault(f"{where}[{y}]", f"has {len(row)} values, not {width}")
        else:
            for x, value in enumerate(row):
                if not _is_pixel(value):
                    yield Fault(f"{where}[{y}][{x}]", f"must be a whole number from 0 to 255, not {_show(value)}")


def _is_pixel(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 <= value <= _PIXEL_MAX and value == int(value)


def _refusal(where: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(where, message)])


def _show(value: object) -> str:
    """Write a wrong value so that it can be recognised, but not at length."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:.6g}" if isinstance(value, float) or abs(value) > _LONG_NUMBER else str(value)
    return _kind(value)


def _kind(value: object) -> str:
    """Name the JSON type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
