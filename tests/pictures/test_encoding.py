"""Writing pixels as PNG."""

from io import BytesIO

import numpy as np
from PIL import Image

from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.encoding import encode_png
from tests.picture_files import COLOURS, PIXELS


def test_written_picture_is_read_back_the_same() -> None:
    """A picture that was written is read back with the same pixels."""
    np.testing.assert_array_equal(decode_image(encode_png(PIXELS), height=28, width=28), PIXELS)


def test_scale_makes_each_pixel_a_square() -> None:
    """With a scale, each pixel becomes a square of that side."""
    image = np.array([[10, 20, 30], [40, 50, 60]], np.uint8)
    written = np.asarray(Image.open(BytesIO(encode_png(image, scale=3))))
    np.testing.assert_array_equal(written, np.kron(image, np.ones((3, 3), np.uint8)))


def test_file_is_an_8_bit_grey_png() -> None:
    """The file is an 8-bit grey PNG."""
    assert Image.open(BytesIO(encode_png(PIXELS))).mode == "L"


def test_colours_are_kept() -> None:
    """An image in colour is written in colour, and enlarged like a grey one."""
    content = encode_png(COLOURS, scale=2)
    np.testing.assert_array_equal(decode_image(content, height=56, width=56, channels=3)[::2, 1::2], COLOURS)
