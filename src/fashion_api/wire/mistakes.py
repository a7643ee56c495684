"""Likely mistakes in a prediction request, and the form that works."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

_OTHER_NAMES = ("instances", "inputs", "data", "image", "pixels")
_COLOURS = 3
_WITH_TRANSPARENCY = 4

Shape = tuple[int, ...]
"""Height and width of an image; with colours, their number too."""


def name_row(shape: Shape) -> str:
    """Say what a row of an image of this shape is."""
    return f"{shape[1]} whole numbers" if len(shape) == 2 else f"{shape[1]} pixels [red, green, blue]"  # noqa: PLR2004


def find_other_name(body: Mapping[str, object]) -> str | None:
    """Give the name under which other services take images, where a body without `images` has one."""
    return next((name for name in _OTHER_NAMES if name in body), None)


def describe_list_mistake(images: Sequence[object], shape: Shape) -> str | None:
    """Describe what is wrong with a list of images that is one image; `None` for any other list."""
    height, width = shape[:2]
    rows = [(width,), (width, _COLOURS)] if width != _COLOURS else [(width,)]  # three rows of three may be an image
    if len(images) == height and any(_are_rows(images, row) for row in rows):
        return 'is one image, not a list of images; put it into a list: {"images": [image]}'
    values = math.prod(shape)
    if _has_numbers(images, values):
        return f"is one list of {values} values; send a list of images of {height} rows of {_name_values(shape)}"
    return None


def describe_image_mistake(rows: Sequence[object], shape: Shape) -> str | None:
    """Describe what is wrong with an image as a whole; `None` where only parts of it are wrong."""
    height, width = shape[:2]
    is_grey = len(shape) == 2  # noqa: PLR2004  # without channels
    wanted = f"{height} rows of {name_row(shape)}{'' if is_grey else ', whole numbers'} from 0 to 255"
    values = math.prod(shape)
    if _has_numbers(rows, values):
        return f"is one list of {values} values; send {wanted}"
    if len(rows) == 1 and height > 1 and isinstance(rows[0], list) and len(rows[0]) == height:
        return f"is in one list too many; send {wanted}"
    if not is_grey and len(rows) == _COLOURS != height and _are_rows(list(_list_items(rows)), (width,)):
        return f"is {_COLOURS} planes, one for each colour; send {wanted}"
    if len(rows) != height or not all(isinstance(row, list) and len(row) == width for row in rows):
        return None
    mistake = _describe_pixel_mistake(list(_list_items(rows)), shape)
    return None if mistake is None else f"{mistake}: send {wanted}"


def _describe_pixel_mistake(pixels: Sequence[object], shape: Shape) -> str | None:
    is_grey = len(shape) == 2  # noqa: PLR2004  # without channels
    depths = {len(pixel) if isinstance(pixel, list) else 0 for pixel in pixels}
    if depths == {1}:
        return f"has each pixel in a list of its own ({shape[0]}×{shape[1]}×1)"
    if depths == {_COLOURS} and is_grey:
        return "has pixels of three values, but this model takes grey images"
    if depths == {_WITH_TRANSPARENCY}:
        return "has pixels of four values, but this model takes images without transparency"
    if depths == {0} and not is_grey:
        return "has pixels of one value, but this model takes images in colour"
    values = pixels if is_grey else chain.from_iterable(pixel for pixel in pixels if isinstance(pixel, list))
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1 for value in values):
        return "has pixels from 0 to 1; multiply them by 255 and round"
    return None


def _name_values(shape: Shape) -> str:
    return f"{shape[1]} values" if len(shape) == 2 else name_row(shape)  # noqa: PLR2004  # without channels


def _list_items(rows: Sequence[object]) -> Iterator[object]:
    for row in rows:
        if isinstance(row, list):
            yield from row


def _are_rows(rows: Sequence[object], shape: Shape) -> bool:
    """Tell whether each is a list of so many numbers, or of so many lists of so many numbers."""
    first, *rest = shape
    if not rest:
        return all(isinstance(row, list) and _has_numbers(row, first) for row in rows)
    return all(isinstance(row, list) and len(row) == first and _are_rows(row, tuple(rest)) for row in rows)


def _has_numbers(values: Sequence[object], count: int) -> bool:
    return len(values) == count and all(isinstance(value, (int, float)) for value in values)
