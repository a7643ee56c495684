"""The fast reader for grey PNGs, compared with Pillow's."""

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
from tests.picture_files import PIXELS


@st.composite
def nearly_usual_pngs(draw: st.DrawFn) -> bytes:
    """Build a grey PNG with rows of every filter, one too few or too many, in one chunk or two, altered or not."""
    filters = st.integers(0, 4) | st.integers(0, 4) | st.integers(0, 255)
    rows = draw(st.lists(filters, min_size=27, max_size=29)) if draw(st.booleans()) else [draw(filters)] * 28
    raw = b"".join(bytes([kind]) + bytes(range(y, y + 28)) for y, kind in enumerate(rows))
    packed = bytearray(zlib.compress(raw, draw(st.sampled_from([0, 1, 9]))))
    if draw(st.booleans()):
        packed[draw(st.integers(0, len(packed) - 1)) :] = draw(st.sampled_from([b"", b"\0", b"xx"]))
    content = bytearray(pictures.grey_png()[:33])
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


@settings(max_examples=300, deadline=None)
@given(nearly_usual_pngs())
def test_pixels_are_those_that_pillow_reads(content: bytes) -> None:
    """The pixels of a file that is read are those that Pillow's reader gives."""
    pixels = read_usual_png(content, height=28, width=28)
    if pixels is not None:
        with Image.open(BytesIO(content)) as image:
            np.testing.assert_array_equal(pixels, np.asarray(image))
