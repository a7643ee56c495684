"""Builders of picture files for tests: good ones, odd ones, and ones made up to do harm.

Each gives the bytes of a file. Where nothing is said of the content, it is `PIXELS`: 28×28, grey, different under every
rotation and reflection, so that a picture that was turned or mirrored is not taken for the original.
"""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Turn = Callable[[Pixels], Pixels]

_NEARLY_LOSSLESS: dict[str, dict[str, Any]] = {"JPEG": {"quality": 95}, "WEBP": {"lossless": True}}

TEXT_FILE = b"Not a picture, whatever its name says.\n"


def make_pixels(height: int = 28, width: int = 28) -> Pixels:
    """uint8[height, width]: smooth, so that JPEG keeps it, and brightest in the lower right corner."""
    return np.add.outer(np.linspace(0, 170, height), np.linspace(0, 85, width)).astype(np.uint8)


PIXELS = make_pixels()
COLOURS = np.stack((PIXELS, np.flipud(PIXELS), PIXELS.T), axis=-1)
"""uint8[28, 28, 3], each channel another."""


def save(image: Image.Image, kind: str, **options: Any) -> bytes:  # noqa: ANN401  # Pillow's own, of any type
    """Write an image as a file of a type that Pillow knows by this name."""
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def grey_picture(kind: str, pixels: Pixels = PIXELS) -> bytes:
    """Write pixels, grey or in colour, as PNG, JPEG, GIF, BMP or WEBP, without loss where the type can."""
    return save(Image.fromarray(pixels), kind, **_NEARLY_LOSSLESS.get(kind, {}))


def grey_png(pixels: Pixels = PIXELS) -> bytes:
    """8-bit grey, as the data set's images are: the common case."""
    return grey_picture("PNG", pixels)


def grey_jpeg(pixels: Pixels = PIXELS) -> bytes:
    """8-bit grey, with loss."""
    return grey_picture("JPEG", pixels)


def truncated_png() -> bytes:
    """A PNG cut off in its pixels."""
    content = grey_png()
    return content[: content.index(b"IDAT") + 20]


def truncated_jpeg() -> bytes:
    """A JPEG cut off in its pixels."""
    content = grey_jpeg()
    return content[: (content.index(b"\xff\xda") + len(content)) // 2]


def colour_picture(kind: str, colour: tuple[int, int, int]) -> bytes:
    """28×28 of one colour, as RGB."""
    return save(Image.new("RGB", (28, 28), colour), kind)


def palette_png(colours: list[tuple[int, int, int]], *, transparent: int | None = None) -> bytes:
    """A palette picture: column x has colour number x modulo the number of colours; one may be transparent."""
    indices = np.tile(np.arange(28, dtype=np.uint8) % len(colours), (28, 1))
    image = Image.fromarray(indices)
    image.putpalette([channel for colour in colours for channel in colour])
    return save(image, "PNG", **({} if transparent is None else {"transparency": transparent}))


def rgba_picture(kind: str, colour: tuple[int, int, int, int]) -> bytes:
    """28×28 of one half-transparent colour."""
    return save(Image.new("RGBA", (28, 28), colour), kind, **_NEARLY_LOSSLESS.get(kind, {}))


def la_png(alpha: Pixels, *, grey: int = 255) -> bytes:
    """One grey, with its own alpha for each pixel."""
    return save(Image.merge("LA", (Image.new("L", alpha.shape[::-1], grey), Image.fromarray(alpha))), "PNG")


def cmyk_jpeg(ink: tuple[int, int, int, int]) -> bytes:
    """28×28 of one mixture of inks, 255 the most."""
    return save(Image.new("CMYK", (28, 28), ink), "JPEG", quality=100)


def sixteen_bit_png(values: NDArray[np.uint16], *, transparent: int | None = None) -> bytes:
    """16-bit grey; one value may be transparent."""
    content = save(Image.fromarray(values), "PNG")
    return content if transparent is None else insert_png_chunk(content, b"tRNS", struct.pack(">H", transparent))


def few_bits_png(values: Pixels, bits: int, *, transparent: int) -> bytes:
    """Grey of 2 or 4 bits, one value of which is transparent."""
    height, width = values.shape
    places = np.arange(bits)[::-1]
    packed = np.packbits((values[..., None] >> places & 1).reshape(height, -1), axis=1)
    header = struct.pack(">2L5B", width, height, bits, 0, 0, 0, 0)
    filtered = b"".join(b"\0" + row.tobytes() for row in packed)
    chunks = ((b"IHDR", header), (b"tRNS", struct.pack(">H", transparent)), (b"IDAT", zlib.compress(filtered)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in (*chunks, (b"IEND", b"")))


def one_bit_png(bits: NDArray[np.bool_]) -> bytes:
    """Black and white, a bit each."""
    return save(Image.fromarray(bits), "PNG")


def animated_picture(kind: str, frames: int = 3) -> bytes:
    """An animated GIF, PNG or WEBP, each frame different."""
    images = [Image.fromarray(np.roll(PIXELS, 5 * index, axis=1)) for index in range(frames)]
    options = _NEARLY_LOSSLESS.get(kind, {})
    return save(images[0], kind, save_all=True, append_images=images[1:], duration=100, **options)


def png_with_hidden_frame() -> bytes:
    """A PNG whose animation is one frame, which is not the picture that other viewers show."""
    control = struct.pack(">5L2H2B", 0, 28, 28, 0, 0, 1, 10, 0, 0)
    content = insert_png_chunk(grey_png(), b"acTL", struct.pack(">2L", 1, 0))
    frame = png_chunk(b"fcTL", control) + png_chunk(b"fdAT", struct.pack(">L", 1) + zlib.compress(bytes(28 * 29)))
    return content[:-12] + frame + content[-12:]


def exif_orientation(value: int, *, order: str = ">") -> bytes:
    """EXIF data that holds only how the picture is turned (1–8); `order` is struct's, < or >."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    return head + struct.pack(f"{order}LHHHLH2xL", 8, 1, 0x0112, 3, 1, value, 0)


def exif_rotated_picture(kind: str, orientation: int, pixels: Pixels = PIXELS, *, order: str = ">") -> bytes:
    """A JPEG, PNG or WEBP that is `pixels` when upright, stored turned as EXIF's `orientation` says."""
    # The inverse of each: a quarter turn is undone by the one the other way, all others by themselves.
    turns: dict[int, Turn] = {
        2: np.fliplr,
        3: lambda upright: np.rot90(upright, 2),
        4: np.flipud,
        5: np.transpose,
        6: np.rot90,
        7: lambda upright: np.rot90(upright, 2).T,
        8: lambda upright: np.rot90(upright, -1),
    }
    stored = np.ascontiguousarray(turns.get(orientation, np.copy)(pixels))
    exif = b"Exif\0\0" + exif_orientation(orientation, order=order)
    return save(Image.fromarray(stored), kind, exif=exif, **_NEARLY_LOSSLESS.get(kind, {}))


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its length and its sum."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def insert_png_chunk(content: bytes, kind: bytes, data: bytes) -> bytes:
    """Put a chunk before a PNG's pixels."""
    at = content.index(b"IDAT") - 4
    return content[:at] + png_chunk(kind, data) + content[at:]


def mend_png_sums(content: bytes) -> bytes:
    """Make the sums of a PNG's chunks right, as far as it has chunks: whoever alters a file on purpose does this."""
    mended = [content[:8]]
    at = 8
    while at + 12 <= len(content):
        length = int.from_bytes(content[at : at + 4])
        mended.append(png_chunk(content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return b"".join((*mended, content[at:]))


def _png(width: int, height: int, bits: int, pixels: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">2L5B", width, height, bits, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")


def zero_by_zero_png() -> bytes:
    """A PNG with no pixels."""
    return _png(0, 0, 8, zlib.compress(b""))


def bomb_png(side: int = 50_000) -> bytes:
    """A valid black PNG of `side`×`side` pixels, which must be divisible by 100: 300 kB that unpack to 300 MB."""
    rows = bytes((1 + (side + 7) // 8) * (side // 100))
    packer = zlib.compressobj(9, wbits=-15)
    hundredth = packer.compress(rows) + packer.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it: can be repeated
    adler = (len(rows) * 100 % 65521) << 16 | 1  # of zeros
    return _png(side, side, 1, b"\x78\xda" + hundredth * 100 + b"\x03\0" + struct.pack(">L", adler))


def bomb_webp(side: int = 16_384) -> bytes:
    """The beginning of a WebP of that size; what follows is left out."""
    canvas = bytes(4) + (side - 1).to_bytes(3, "little") * 2
    chunk = b"VP8X" + struct.pack("<L", len(canvas)) + canvas
    return b"RIFF" + struct.pack("<L", 4 + len(chunk)) + b"WEBP" + chunk


def bomb_gif(side: int = 9000) -> bytes:
    """A GIF of 28×28 with a frame far larger, to be cleared after it is shown: 60 bytes that ask for 81 MB."""
    screen = b"GIF89a" + struct.pack("<2H3B", 28, 28, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"," + struct.pack("<4HB", 0, 0, side, side, 0) + b"\x02\x02\x4c\x01\0"
    return screen + b"!\xf9\x04\x08\0\0\0\0" + frame + b";"


def bomb_exif_picture(kind: str) -> bytes:
    """`PIXELS` as JPEG, PNG or WEBP, with 1000 EXIF entries that all name the same 50 kB as their value."""
    size = 50_000
    entries = b"".join(struct.pack(">HHLL", 0xC000 + index, 7, size, 8) for index in range(1000))
    exif = b"Exif\0\0MM\0*" + struct.pack(">LH", 8, 1000) + entries + bytes(size)
    return save(Image.fromarray(PIXELS), kind, exif=exif, **_NEARLY_LOSSLESS.get(kind, {}))


def bomb_profile() -> bytes:
    """The data of a PNG's iCCP chunk that unpacks to more than Pillow accepts."""
    return b"profile\0\0" + zlib.compress(bytes(5_000_000), 9)


def claim_jpeg_size(content: bytes, width: int, height: int) -> bytes:
    """Have a JPEG's header name another size; its pixels stay as they are."""
    at = next(found for marker in (b"\xff\xc0", b"\xff\xc2") if (found := content.find(marker)) >= 0)
    return content[: at + 5] + struct.pack(">2H", height, width) + content[at + 9 :]


def many_scans_jpeg(scans: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are so many."""
    content = save(Image.fromarray(PIXELS), "JPEG", progressive=True)
    last = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + last * (scans - content.count(b"\xff\xda")) + content[-2:]


def separate_scans_jpeg(width: int, height: int, scans: int) -> bytes:
    """A black JPEG in colour, each scan of one channel; a table has the bytes of a scan's mark, as if of all channels.

    Its scans end at once: decoders fill them up.
    """
    content = save(Image.new("RGB", (16, 16)), "JPEG")
    huffman = content[content.index(b"\xff\xc4") : content.index(b"\xff\xda")]
    table = b"\xff\xdb\0\x43\0" + b"\xff\xda\0\x0c\x03" + bytes([3]) * 59
    frame = struct.pack(">4sBHHB9B", b"\xff\xc0\0\x11", 8, height, width, 3, 1, 17, 0, 2, 17, 0, 3, 17, 0)
    parts = [b"\xff\xda\0\x08" + bytes((1, channel % 3 + 1, 0, 0, 63, 0, 0, 0)) for channel in range(scans)]
    return b"".join((content[:2], table, frame, huffman, *parts, content[-2:]))


def run_length_bmp(width: int = 28, height: int = 28) -> bytes:
    """A BMP whose first 28 rows are compressed; the others have no pixels."""
    rows = b"\x1c\x07\0\0" * 28 + b"\0\x01"
    palette = b"".join(bytes((grey, grey, grey, 0)) for grey in range(256))
    header = struct.pack("<LllHHLLllLL", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    return (
        b"BM" + struct.pack("<LHHL", 54 + len(palette) + len(rows), 0, 0, 54 + len(palette)) + header + palette + rows
    )
