"""Picture files to arrays: the values that are read, and the messages of what is refused."""

import base64
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashion_api.errors import ImageError, InvalidImageError, UnsupportedImageError, WrongSizeError
from fashion_api.pictures.decoding import decode_image, read_base64
from tests import picture_files as pictures
from tests.picture_files import COLOURS, PIXELS, Pixels

KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
LOSSLESS_KINDS = ("PNG", "GIF", "BMP", "WEBP")


def decode(content: bytes) -> Pixels:
    return decode_image(content, height=28, width=28)


def refusal(content: bytes) -> str:
    """Decode a file that must be refused, and give the message."""
    with pytest.raises(InvalidImageError) as caught:
        decode(content)
    return str(caught.value)


def luma(red: float, green: float, blue: float) -> float:
    """ITU-R 601-2."""
    return 0.299 * red + 0.587 * green + 0.114 * blue


class TestValues:
    @pytest.mark.parametrize("kind", LOSSLESS_KINDS)
    def test_lossless(self, kind: str) -> None:
        """A grey picture of a lossless type keeps its values: it is not inverted, mirrored or scaled."""
        np.testing.assert_array_equal(decode(pictures.grey_picture(kind)), PIXELS)

    def test_jpeg(self) -> None:
        """A grey JPEG keeps its values but for what JPEG itself loses."""
        np.testing.assert_allclose(decode(pictures.grey_jpeg()).astype(int), PIXELS, atol=3)

    def test_type(self) -> None:
        """The array is uint8[height, width], for pictures that are not square too."""
        pixels = decode_image(pictures.grey_png(pictures.make_pixels(20, 30)), height=20, width=30)
        assert (str(pixels.dtype), pixels.shape) == ("uint8", (20, 30))

    @pytest.mark.parametrize("kind", ["PNG", "BMP"])
    @pytest.mark.parametrize(
        "colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (10, 200, 90)], ids=["red", "green", "blue", "mixed"]
    )
    def test_colour(self, kind: str, colour: tuple[int, int, int]) -> None:
        """A colour becomes grey by ITU-R 601-2 luma."""
        np.testing.assert_allclose(decode(pictures.colour_picture(kind, colour)), luma(*colour), atol=1)

    def test_palette(self) -> None:
        """A palette's entries become grey, not their numbers."""
        colours = [(0, 0, 0), (255, 0, 0), (255, 255, 255)]
        expected = np.tile([luma(*colours[x % 3]) for x in range(28)], (28, 1))
        np.testing.assert_allclose(decode(pictures.palette_png(colours)), expected, atol=1)

    def test_one_bit(self) -> None:
        """The two values of a 1-bit picture become 0 and 255."""
        bits = PIXELS > 99
        np.testing.assert_array_equal(decode(pictures.one_bit_png(bits)), np.where(bits, 255, 0))

    def test_sixteen_bits(self) -> None:
        """16 bits are scaled to 8 and rounded, not clipped or cut off."""
        values = np.linspace(0, 65535, 784).astype(np.uint16).reshape(28, 28)
        np.testing.assert_array_equal(decode(pictures.sixteen_bit_png(values)), np.rint(values / 257))

    @pytest.mark.parametrize(
        "ink",
        [(0, 0, 0, 0), (0, 0, 0, 255), (255, 0, 0, 0), (0, 0, 255, 128)],
        ids=["no ink", "black", "cyan", "dark yellow"],
    )
    def test_cmyk(self, ink: tuple[int, int, int, int]) -> None:
        """The inks of a CMYK JPEG darken white paper."""
        black = 1 - ink[3] / 255
        expected = luma(*((255 - part) * black for part in ink[:3]))
        np.testing.assert_allclose(decode(pictures.cmyk_jpeg(ink)), expected, atol=3)


class TestTransparency:
    def test_alpha(self) -> None:
        """White shows as much of itself over black as its alpha says."""
        np.testing.assert_allclose(decode(pictures.la_png(PIXELS)).astype(int), PIXELS, atol=1)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_colour_with_alpha(self, kind: str) -> None:
        """A half-transparent colour is put over black before it becomes grey."""
        expected = luma(200, 100, 50) * 128 / 255
        np.testing.assert_allclose(decode(pictures.rgba_picture(kind, (200, 100, 50, 128))), expected, atol=1)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_hidden_colour(self, kind: str) -> None:
        """What is wholly transparent is black, whatever colour is stored there."""
        assert not decode(pictures.rgba_picture(kind, (255, 255, 255, 0))).any()

    def test_palette(self) -> None:
        """A palette's transparent entry is black."""
        pixels = decode(pictures.palette_png([(255, 255, 255), (200, 200, 200)], transparent=0))
        np.testing.assert_array_equal(pixels, np.tile([0, 200], (28, 14)))

    def test_gif(self) -> None:
        """A GIF's transparent entry is black."""
        content = pictures.save(Image.fromarray(PIXELS), "GIF", transparency=int(PIXELS.max()))
        np.testing.assert_array_equal(decode(content), np.where(PIXELS.max() == PIXELS, 0, PIXELS))

    def test_gif_without(self) -> None:
        """The entry that a GIF names as transparent, but does not declare to be, stays as it is."""
        content = bytearray(pictures.save(Image.fromarray(PIXELS), "GIF", transparency=int(PIXELS.max())))
        content[content.index(b"!\xf9\x04") + 3] &= ~1
        np.testing.assert_array_equal(decode(bytes(content)), PIXELS)

    def test_grey_value(self) -> None:
        """The grey that a PNG declares transparent is black."""
        content = pictures.insert_png_chunk(pictures.grey_png(), b"tRNS", bytes((0, PIXELS.max())))
        np.testing.assert_array_equal(decode(content), np.where(PIXELS.max() == PIXELS, 0, PIXELS))

    @pytest.mark.parametrize("bits", [2, 4])
    def test_few_bits(self, bits: int) -> None:
        """The grey of 2 or 4 bits that a PNG declares transparent is black, and no other is."""
        most = 2**bits - 1
        values = np.tile(np.repeat(np.array([most, 1], np.uint8), 14), (28, 1))
        pixels = decode(pictures.few_bits_png(values, bits, transparent=most))
        np.testing.assert_array_equal(pixels, np.tile(np.repeat([0, 255 // most], 14), (28, 1)))

    def test_sixteen_bits(self) -> None:
        """The 16-bit grey that a PNG declares transparent is black."""
        values = np.full((28, 28), 60000, np.uint16)
        values[:, 14:] = 257 * 9
        pixels = decode(pictures.sixteen_bit_png(values, transparent=60000))
        np.testing.assert_array_equal(pixels, np.tile(np.repeat([0, 9], 14), (28, 1)))


class TestColour:
    """For a model in colour."""

    def decode(self, content: bytes) -> Pixels:
        pixels = decode_image(content, height=28, width=28, channels=3)
        assert (str(pixels.dtype), pixels.shape) == ("uint8", (28, 28, 3))
        return pixels

    @pytest.mark.parametrize("kind", LOSSLESS_KINDS)
    def test_lossless(self, kind: str) -> None:
        """A picture of a lossless type keeps its red, green and blue, each at its place."""
        pixels = COLOURS if kind != "GIF" else COLOURS // 128 * 255  # which has few colours
        np.testing.assert_array_equal(self.decode(pictures.grey_picture(kind, pixels)), pixels)

    def test_jpeg(self) -> None:
        """A JPEG keeps its colours but for what JPEG itself loses."""
        pixels = self.decode(pictures.colour_picture("JPEG", (200, 30, 90)))
        np.testing.assert_allclose(pixels, np.full((28, 28, 3), (200, 30, 90)), atol=3)

    @pytest.mark.parametrize(
        "content",
        [
            *map(pictures.grey_picture, KINDS),
            pictures.sixteen_bit_png(np.linspace(0, 65535, 784).astype(np.uint16).reshape(28, 28)),
            pictures.sixteen_bit_png(np.full((28, 28), 40_000, np.uint16), transparent=40_000),
            pictures.one_bit_png(PIXELS > 99),
            pictures.la_png(PIXELS),
            pictures.insert_png_chunk(pictures.grey_png(), b"tRNS", b"\0\5"),
            pictures.exif_rotated_picture("JPEG", 6),
        ],
        ids=[*KINDS, "16-bit", "transparent 16-bit", "1-bit", "alpha", "transparent grey", "EXIF"],
    )
    def test_grey(self, content: bytes) -> None:
        """A grey picture has three equal channels, each what a grey model is given."""
        np.testing.assert_array_equal(self.decode(content), np.stack([decode(content)] * 3, axis=-1))

    def test_palette(self) -> None:
        """A palette's entries are read, and its transparent one is black."""
        colours = [(1, 2, 3), (255, 0, 0), (9, 255, 8)]
        expected = np.array([(1, 2, 3), (0, 0, 0), (9, 255, 8)])[np.arange(28) % 3]
        np.testing.assert_array_equal(self.decode(pictures.palette_png(colours, transparent=1))[5], expected)

    @pytest.mark.parametrize("kind", ["PNG", "WEBP"])
    def test_alpha(self, kind: str) -> None:
        """Colours that are half transparent are put over black."""
        pixels = self.decode(pictures.rgba_picture(kind, (200, 100, 50, 128)))
        np.testing.assert_allclose(pixels, np.full((28, 28, 3), (100, 50, 25)), atol=1)

    def test_cmyk(self) -> None:
        """Inks are what they look like on white paper."""
        pixels = self.decode(pictures.cmyk_jpeg((0, 255, 255, 0)))
        np.testing.assert_allclose(pixels, np.full((28, 28, 3), (255, 0, 0)), atol=3)

    def test_exif(self) -> None:
        """A picture is turned upright with its colours."""
        content = pictures.save(
            Image.fromarray(np.ascontiguousarray(np.rot90(COLOURS))),
            "PNG",
            exif=b"Exif\0\0" + pictures.exif_orientation(6),
        )
        np.testing.assert_array_equal(self.decode(content), COLOURS)

    @pytest.mark.parametrize("content", [pictures.bomb_png(), pictures.grey_png(pictures.make_pixels(29, 28))])
    def test_size_first(self, content: bytes) -> None:
        """A picture of another size is refused by its header."""
        with pytest.raises(WrongSizeError):
            self.decode(content)


class TestRefusals:
    def test_empty(self) -> None:
        """An empty file is called empty."""
        assert "empty" in refusal(b"")

    @pytest.mark.parametrize(
        "content",
        [
            pictures.TEXT_FILE,
            b"BM is how this text begins, too.",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"%PDF-1.7\n",
            pictures.save(Image.fromarray(PIXELS), "TIFF"),
            bytes(1000),
        ],
        ids=["text", "text like BMP", "SVG", "PDF", "TIFF", "zeros"],
    )
    def test_type(self, content: bytes) -> None:
        """A file of another type is told apart from a broken one, and told what is read."""
        with pytest.raises(UnsupportedImageError, match="PNG, JPEG, GIF, BMP or WebP"):
            decode(content)

    @pytest.mark.parametrize(("height", "width"), [(28, 29), (29, 28), (27, 28), (1, 1), (56, 56), (1, 784)])
    def test_size(self, height: int, width: int) -> None:
        """A picture of another size is not resized; its size and the one wanted are named."""
        message = refusal(pictures.grey_png(pictures.make_pixels(height, width)))
        assert f"is {width}×{height} pixels" in message
        assert "must be 28×28" in message

    @pytest.mark.parametrize("kind", KINDS)
    def test_size_of_each_type(self, kind: str) -> None:
        """The size is looked at in every type of file."""
        assert "is 30×29 pixels" in refusal(pictures.grey_picture(kind, pictures.make_pixels(29, 30)))

    def test_size_first(self) -> None:
        """The size is looked at before the pixels: a picture of another size is refused for that, though cut short."""
        content = pictures.grey_jpeg(pictures.make_pixels(29, 30))
        assert "is 30×29 pixels" in refusal(content[:-50])

    @pytest.mark.parametrize("content", [pictures.truncated_png(), pictures.truncated_jpeg()], ids=["PNG", "JPEG"])
    def test_truncated(self, content: bytes) -> None:
        """A file that ends within its pixels is called cut short."""
        assert "cut short" in refusal(content)

    @pytest.mark.parametrize("kind", KINDS)
    def test_truncated_anywhere(self, kind: str) -> None:
        """A file is never taken for whole, wherever it was cut off."""
        content = pictures.grey_picture(kind)
        taken = []
        for length in range(20, len(content)):
            try:
                decode(content[:length])
            except InvalidImageError:
                continue
            taken.append(length)
        assert taken == []

    def test_damaged_png(self) -> None:
        """A PNG of which one bit is wrong is refused, though its pixels can be unpacked."""
        stored = bytearray(pictures.save(Image.fromarray(PIXELS), "PNG", compress_level=0))
        stored[stored.index(b"IDAT") + 300] ^= 1
        assert "damaged" in refusal(bytes(stored))

    def test_no_pixels(self) -> None:
        """A PNG of 0×0 pixels is refused."""
        assert "without pixels" in refusal(pictures.zero_by_zero_png())

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
    def test_animated(self, kind: str) -> None:
        """An animated picture is refused, and how many frames it has is named."""
        assert "has 3 frames" in refusal(pictures.animated_picture(kind, frames=3))

    def test_hidden_frame(self) -> None:
        """A PNG with an animation of one frame beside its picture is refused: there are two to choose from."""
        assert "has 2 frames" in refusal(pictures.png_with_hidden_frame())

    @pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
    def test_single_frame(self, kind: str) -> None:
        """An animation of a single frame is a picture like any other."""
        np.testing.assert_array_equal(decode(pictures.animated_picture(kind, frames=1)), PIXELS)

    @pytest.mark.parametrize("kind", KINDS)
    def test_words(self, kind: str) -> None:
        """What is said of a broken file holds nothing of a library's own words."""
        content = pictures.grey_picture(kind)
        assert refusal(content[:-9]) == (
            f"the file begins as a {kind.replace('EB', 'eb')}, but is cut short, damaged, without pixels or of a "
            "variant that is not read"
        )


class TestHarm:
    def test_png_bomb(self) -> None:
        """A PNG of 2.5 billion pixels is refused for its size, which is in its head."""
        assert "is 50000×50000 pixels" in refusal(pictures.bomb_png())

    def test_large_for_pillow(self) -> None:
        """A size at which Pillow itself would only warn is refused like any other."""
        assert "10000×10000" in refusal(pictures.bomb_png(10_000))

    def test_webp_bomb(self) -> None:
        """A WebP too large for Pillow is refused as too large."""
        assert "far larger than 28×28" in refusal(pictures.bomb_webp())

    def test_gif_bomb(self) -> None:
        """A GIF of the right size, with a frame that is far larger, is refused before the frame is made room for."""
        assert "damaged" in refusal(pictures.bomb_gif())

    def test_profile_bomb(self) -> None:
        """A colour profile is never unpacked, so one that would unpack to too much does no harm."""
        content = pictures.insert_png_chunk(pictures.grey_png(), b"iCCP", pictures.bomb_profile())
        np.testing.assert_array_equal(decode(content), PIXELS)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
    def test_exif_bomb(self, kind: str) -> None:
        """Of EXIF, only how the picture is turned is read: a thousand entries of 50 kB each cost and warn nothing."""
        np.testing.assert_allclose(decode(pictures.bomb_exif_picture(kind)).astype(int), PIXELS, atol=3)

    def test_bmp_palette(self) -> None:
        """A BMP that says it has 65536 colours for its 8 bits is refused."""
        content = bytearray(pictures.grey_picture("BMP"))
        content[46:50] = (65536).to_bytes(4, "little")
        assert "damaged" in refusal(bytes(content))

    @pytest.mark.parametrize("kind", KINDS)
    @given(data=st.data())
    @settings(derandomize=True, max_examples=200, deadline=None)
    def test_altered(self, kind: str, data: st.DataObject) -> None:
        """Whatever is done to a file, the answer is a picture of the right size or a refusal."""
        content = bytearray(pictures.grey_picture(kind))
        places = st.integers(0, len(content) - 1)
        for place, value in data.draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=8)):
            content[place] = value
        start, end, to = data.draw(st.tuples(places, places, places))
        content[to:to] = content[start:end]
        altered = pictures.mend_png_sums(bytes(content)) if kind == "PNG" else bytes(content)
        try:
            pixels = decode(altered)
        except ImageError:
            return
        assert (str(pixels.dtype), pixels.shape) == ("uint8", (28, 28))

    @given(kind=st.sampled_from([b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"eXIf", b"iTXt"]), data=st.binary())
    @settings(derandomize=True, max_examples=300, deadline=None)
    def test_png_chunks(self, kind: bytes, data: bytes) -> None:
        """Whatever chunk a PNG holds, the answer is a picture of the right size or a refusal."""
        try:
            pixels = decode(pictures.insert_png_chunk(pictures.grey_png(), kind, data))
        except ImageError:
            return
        assert (str(pixels.dtype), pixels.shape) == ("uint8", (28, 28))


class TestBase64:
    def decode(self, text: str) -> Pixels:
        return decode(read_base64(text))

    @pytest.mark.parametrize("kind", LOSSLESS_KINDS)
    def test_picture(self, kind: str) -> None:
        """A picture file in base64 is read like the file."""
        text = base64.b64encode(pictures.grey_picture(kind)).decode()
        np.testing.assert_array_equal(self.decode(text), PIXELS)

    @pytest.mark.parametrize("head", ["data:image/png;base64,", "data:;base64,", "DATA:image/jpeg;name=a.png;BASE64,"])
    def test_data_url(self, head: str) -> None:
        """A data: URL is read for its content, whatever type it declares."""
        np.testing.assert_array_equal(self.decode(head + base64.b64encode(pictures.grey_png()).decode()), PIXELS)

    @pytest.mark.parametrize("head", ["data:image/png,", "data:", "data:image/png;base64"])
    def test_other_url(self, head: str) -> None:
        """A data: URL that is not base64 is refused, and the right form is named."""
        with pytest.raises(InvalidImageError, match="data:image/png;base64,"):
            self.decode(head + base64.b64encode(pictures.grey_png()).decode())

    def test_broken_lines(self) -> None:
        """White space is skipped: many tools break the lines."""
        np.testing.assert_array_equal(self.decode(base64.encodebytes(pictures.grey_png()).decode()), PIXELS)

    @pytest.mark.parametrize(
        "text",
        ["not base64!", "abc", "ab=c", "====", "-_-_", "aß==", "AAA=AAAA"],
        ids=["text", "no padding", "padding inside", "padding", "URL-safe", "not ASCII", "two"],
    )
    def test_refused(self, text: str) -> None:
        """Text that is not base64 is refused, and what base64 is is named."""
        with pytest.raises(InvalidImageError, match="is not base64"):
            self.decode(text)

    def test_empty(self) -> None:
        """An empty text is an empty file."""
        with pytest.raises(InvalidImageError, match="empty"):
            self.decode("")


def insert_chunks(kind: bytes) -> bytes:
    """A PNG with a hundred thousand empty chunks before its pixels."""
    png = pictures.grey_png()
    return png[:33] + pictures.png_chunk(kind, b"") * 100_000 + png[33:]


def long_rle_bmp(size: int) -> bytes:
    """A 28×28 BMP whose run-length encoding goes on for so many bytes."""
    header = struct.pack("<LllHHLLllLL", 40, 28, 28, 1, 8, 1, size, 0, 0, 256, 0)
    offset = 14 + len(header) + 1024
    file_header = b"BM" + struct.pack("<LHHL", offset + size, 0, 0, offset)
    return file_header + header + bytes(1024) + b"\x00\x02\x00\x00" * (size // 4)


def insert_webp_chunks(chunks: bytes, *, flags: int = 0) -> bytes:
    """A 28×28 WebP of the extended form, with more chunks before its pixels."""
    canvas = b"VP8X" + struct.pack("<LL", 10, flags) + bytes((27, 0, 0, 27, 0, 0))
    content = b"WEBP" + canvas + chunks + pictures.grey_picture("WEBP")[12:]
    return b"RIFF" + struct.pack("<L", len(content)) + content


COSTLY_FILES = {
    "a hundred thousand empty PNG chunks": insert_chunks(b"teXt"),
    "empty pixel chunks": insert_chunks(b"IDAT"),
    "padding between JPEG segments": pictures.grey_jpeg()[:2] + b"\xff" * 1_000_000 + pictures.grey_jpeg()[2:],
    "GIF blocks of one byte": b"GIF89a"
    + struct.pack("<HHBBB", 28, 28, 0, 0, 0)
    + b"!\xfe"
    + b"\x01x" * 999_999
    + b"\0;",
    "a BMP of endless runs": long_rle_bmp(1_000_000),
    "empty WebP chunks": insert_webp_chunks((b"none" + bytes(4)) * 100_000),
    "WebP chunks of one byte": insert_webp_chunks((b"none" + struct.pack("<L", 1) + bytes(2)) * 5_000),
    "a JPEG with a long tail": pictures.grey_jpeg() + bytes(1_000_000),
}


@pytest.mark.parametrize("content", COSTLY_FILES.values(), ids=COSTLY_FILES.keys())
def test_file_that_is_built_to_cost_is_refused(content: bytes) -> None:
    """A file of far more parts or bytes than its pixels need is refused, and the message gives the limit."""
    with pytest.raises(InvalidImageError, match=r"more than|may have"):
        decode_image(content, height=28, width=28)


@pytest.mark.parametrize(
    "content",
    [
        pictures.insert_png_chunk(pictures.grey_png(), b"iCCP", bytes(1_000_000)),
        insert_webp_chunks(b"ICCP" + struct.pack("<L", 1_000_000) + bytes(1_000_000), flags=0x20),
        insert_webp_chunks(b"XMP " + struct.pack("<L", 99_999) + bytes(100_000), flags=0x04),
    ],
    ids=["PNG", "WebP", "WebP of an odd length"],
)
def test_large_profile_beside_the_pixels_is_accepted(content: bytes) -> None:
    """Metadata does not count: a picture with a colour profile of a megabyte is decoded."""
    assert np.abs(decode_image(content, height=28, width=28).astype(int) - pictures.PIXELS).max() <= 2
