"""Likely mistakes in a prediction request, and the form that works."""

from collections.abc import Iterator, Mapping, Sequence

_OTHER_NAMES = ("instances", "inputs", "data", "image", "pixels")
_COLOURS = 3


def find_other_name(body: Mapping[str, object]) -> str | None:
    """Give the name under which other services take images, where a body without `images` has one."""
    return next((name for name in _OTHER_NAMES if name in body), None)


def describe_list_mistake(images: Sequence[object], *, height: int, width: int) -> str | None:
    """Describe what is wrong with a list of images that is one image; `None` for any other list."""
    if len(images) == height and all(isinstance(row, list) and _has_numbers(row, width) for row in images):
        return 'is one image, not a list of images; put it into a list: {"images": [image]}'
    if _has_numbers(images, height * width):
        return f"is one list of {height * width} values; send a list of images of {height} rows of {width} values"
    return None


def describe_image_mistake(rows: Sequence[object], *, height: int, width: int) -> str | None:
    """Describe what is wrong with an image as a whole; `None` where only parts of it are wrong."""
    wanted = f"{height} rows of {width} whole numbers from 0 to 255"
    if _has_numbers(rows, height * width):
        return f"is one list of {height * width} values; send {wanted}"
    if len(rows) == 1 and height > 1 and isinstance(rows[0], list) and len(rows[0]) == height:
        return f"is in one list too many; send {wanted}"
    if len(rows) != height or not all(isinstance(row, list) and len(row) == width for row in rows):
        return None
    mistake = _describe_pixel_mistake(list(_list_pixels(rows)), shape=f"{height}×{width}")
    return None if mistake is None else f"{mistake}: send {wanted}"


def _describe_pixel_mistake(pixels: Sequence[object], *, shape: str) -> str | None:
    depths = {len(pixel) if isinstance(pixel, list) else 0 for pixel in pixels}
    if depths == {1}:
        return f"has each pixel in a list of its own ({shape}×1)"
    if depths == {_COLOURS}:
        return "has pixels of three values, but this model takes grey images"
    if all(isinstance(pixel, (int, float)) and 0 <= pixel <= 1 for pixel in pixels):
        return "has pixels from 0 to 1; multiply them by 255 and round"
    return None


def _list_pixels(rows: Sequence[object]) -> Iterator[object]:
    for row in rows:
        if isinstance(row, list):
            yield from row


def _has_numbers(values: Sequence[object], count: int) -> bool:
    return len(values) == count and all(isinstance(value, (int, float)) for value in values)
