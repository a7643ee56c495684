"""Turning a picture upright, as its EXIF data says."""

import struct

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


def turn_upright(image: Image.Image, exif: bytes) -> Image.Image:
    """Undo the rotation or reflection that EXIF data names; leave the picture as it is where the data is broken."""
    try:
        method = _UPRIGHT.get(_read_orientation(exif.removeprefix(b"Exif\0\0")))
    except struct.error:  # broken EXIF is no EXIF, as it is to every viewer
        return image
    return image if method is None else image.transpose(method)


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
