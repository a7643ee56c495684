"""Turning pictures upright by their EXIF data."""

import numpy as np
import pytest

from fashion_api.errors import InvalidImageError
from fashion_api.pictures.decoding import decode_image
from tests import picture_files as pictures
from tests.picture_files import PIXELS, Pixels


def decode_28(content: bytes) -> Pixels:
    return decode_image(content, height=28, width=28)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_turned_picture_is_put_upright(kind: str, orientation: int) -> None:
    """A picture that EXIF says is turned or mirrored is put upright."""
    content = pictures.exif_rotated_picture(kind, orientation)
    np.testing.assert_allclose(decode_28(content).astype(int), PIXELS, atol=3)


def test_exif_is_read_in_both_byte_orders() -> None:
    """EXIF is read in both byte orders."""
    content = pictures.exif_rotated_picture("PNG", 6, order="<")
    np.testing.assert_array_equal(decode_28(content), PIXELS)


def test_size_is_that_of_the_upright_picture() -> None:
    """The size that counts is that of the upright picture."""
    upright = pictures.make_pixels(20, 30)
    content = pictures.exif_rotated_picture("PNG", 6, upright)
    np.testing.assert_array_equal(decode_image(content, height=20, width=30), upright)


def test_picture_on_its_side_is_refused() -> None:
    """A picture that has the right size only when it lies on its side is refused."""
    content = pictures.grey_png(pictures.make_pixels(30, 20))
    with pytest.raises(InvalidImageError, match="20×30"):
        decode_image(content, height=20, width=30)


@pytest.mark.parametrize(
    "exif",
    [b"II*\0", b"no EXIF at all", pictures.exif_orientation(6)[:14], pictures.exif_orientation(99)],
    ids=["only a head", "text", "cut short", "unknown value"],
)
def test_broken_exif_is_passed_over(exif: bytes) -> None:
    """EXIF that cannot be understood is no reason to refuse a picture, and changes nothing of it."""
    content = pictures.insert_png_chunk(pictures.grey_png(), b"eXIf", exif)
    np.testing.assert_array_equal(decode_28(content), PIXELS)
