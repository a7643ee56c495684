"""Turning a picture upright, as its EXIF data says."""

import struct
from collections.abc import Callable, Mapping
from typing import Final

from PIL import Image

# How to undo each value of EXIF's tag Orientation (EXIF 3.0, section 4.6.5.1.6) that asks for something.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# Where a point of the turned picture was before, in fractions of the width and the height.
_BEFORE: Final[Mapping[Image.Transpose, Callable[[float, float], tuple[float, float]]]] = {
    Image.Transpose.FLIP_LEFT_RIGHT: lambda x, y: (1 - x, y),
    Image.Transpose.FLIP_TOP_BOTTOM: lambda x, y: (x, 1 - y),
    Image.Transpose.ROTATE_90: lambda x, y: (1 - y, x),
    Image.Transpose.ROTATE_180: lambda x, y: (1 - x, 1 - y),
    Image.Transpose.ROTATE_270: lambda x, y: (y, 1 - x),
    Image.Transpose.TRANSPOSE: lambda x, y: (y, x),
    Image.Transpose.TRANSVERSE: lambda x, y: (1 - y, 1 - x),
}
_KEEP_SIDES: Final = frozenset(
    (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)
)

Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge of a part of a picture, in fractions of its width and its height."""


def find_upright(exif: bytes) -> Image.Transpose | None:
    """Find what undoes the rotation or reflection that EXIF data names; `None` for none, or where it is broken."""
    try:
        return _UPRIGHT.get(_read_orientation(exif.removeprefix(b"Exif\0\0")))
    except struct.error:  # broken EXIF is no EXIF, as it is to every viewer
        return None


def turn_upright(image: Image.Image, exif: bytes) -> Image.Image:
    """Undo the rotation or reflection that EXIF data names."""
    method = find_upright(exif)
    return image if method is None else image.transpose(method)


def find_before(method: Image.Transpose, box: Box) -> Box:
    """Find which part of a picture becomes this part of the turned one."""
    left, upper, right, lower = box
    (x, y), (other_x, other_y) = (_BEFORE[method](*corner) for corner in ((left, upper), (right, lower)))
    return min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)


def swaps_sides(method: Image.Transpose) -> bool:
    """Tell whether a picture's width becomes its height."""
    return method not in _KEEP_SIDES


def _read_orientation(exif: bytes) -> int:
    """Read only the tag Orientation; Pillow would read every tag, and print a warning for each odd one."""
    order = "<" if exif.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}L", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for index in range(count):
        tag, value = struct.unpack_from(f"{order}H6xH", exif, start + 2 + 12 * index)
        if tag == 0x0112:  # noqa: PLR2004  # Orientation
            return int(value)
    return 1
