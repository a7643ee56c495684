"""The fast reader for PNGs, compared with Pillow's."""

import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion_api.pictures.encoding import encode_png
from fashion_api.pictures.usual_png import read_usual_png
from tests import picture_files as pictures
from tests.picture_files import COLOURS, PIXELS


@st.composite
def nearly_usual_pngs(draw: st.DrawFn, channels: int) -> bytes:
    """Build a PNG with rows of every filter, one too few or too many, in one chunk or two, altered or not."""
    filters = st.integers(0, 4) | st.integers(0, 4) | st.integers(0, 255)
    rows = draw(st.lists(filters, min_size=27, max_size=29)) if draw(st.booleans()) else [draw(filters)] * 28
    raw = b"".join(bytes([kind]) + bytes(range(y, y + 28 * channels)) for y, kind in enumerate(rows))
    packed = bytearray(zlib.compress(raw, draw(st.sampled_from([0, 1, 9]))))
    if draw(st.booleans()):
        packed[draw(st.integers(0, len(packed) - 1)) :] = draw(st.sampled_from([b"", b"\0", b"xx"]))
    content = bytearray(pictures.grey_png(PIXELS if channels == 1 else COLOURS)[:33])
    for part in (packed,) if draw(st.booleans()) else (packed[:9], packed[9:]):
        content += pictures.png_chunk(b"IDAT", bytes(part))
    content += pictures.png_chunk(b"IEND", b"") + draw(st.sampled_from([b"", b"more"]))
    if draw(st.booleans()):
        content[draw(st.integers(8, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(content)


def test_png_as_the_service_writes_it_is_read() -> None:
    """A grey PNG, as the service itself writes it, is read."""
    pixels = read_usual_png(encode_png(PIXELS), height=28, width=28)
    np.testing.assert_array_equal(pixels, PIXELS)


def test_png_in_colour_is_read_for_a_model_in_colour_only() -> None:
    """A PNG in colour, as the service itself writes it, is read in colour; neither kind is taken for the other."""
    content = encode_png(COLOURS)
    np.testing.assert_array_equal(read_usual_png(content, height=28, width=28, channels=3), COLOURS)
    assert read_usual_png(content, height=28, width=28) is None
    assert read_usual_png(encode_png(PIXELS), height=28, width=28, channels=3) is None


@pytest.mark.parametrize(
    "content",
    [
        pictures.insert_png_chunk(pictures.grey_png(), b"tRNS", b"\0\5"),
        pictures.exif_rotated_picture("PNG", 6),
        pictures.animated_picture("PNG"),
        pictures.grey_png(pictures.make_pixels(29, 28)),
        pictures.truncated_png(),
        pictures.sixteen_bit_png(np.zeros((28, 28), np.uint16)),
    ],
    ids=["transparent", "EXIF", "animated", "29×28", "truncated", "16-bit"],
)
def test_any_other_png_is_left_to_pillow(content: bytes) -> None:
    """Any other PNG is not read here, but left to Pillow."""
    assert read_usual_png(content, height=28, width=28) is None


@pytest.mark.parametrize("channels", [1, 3])
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_pixels_are_those_that_pillow_reads(channels: int, data: st.DataObject) -> None:
    """The pixels of a file that is read are those that Pillow's reader gives."""
    content = data.draw(nearly_usual_pngs(channels))
    pixels = read_usual_png(content, height=28, width=28, channels=channels)
    if pixels is not None:
        with Image.open(BytesIO(content)) as image:
            np.testing.assert_array_equal(pixels, np.asarray(image))
