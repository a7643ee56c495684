"""Picture files to arrays and back: PNG, JPEG, GIF, BMP and WebP on one side, `uint8[height, width]` on the other.

Pillow decodes the pixels. Before it sees a PNG, JPEG or GIF, the file is reduced to the parts that pixels depend on:
a few kilobytes of the others (colour profiles, text, EXIF entries, frames to be disposed of) can be made to unpack to
gigabytes, or to keep a processor busy for minutes. What each kind of bad input is answered is in `docs/inputs.md`.
"""

import base64
import binascii
import functools
import re
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from fashion_api.errors import ImageError, InvalidImageError, UnsupportedImageError

MEDIA_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/bmp", "image/webp")
"""The MIME types of the picture files that are read."""

# The group's name is the type's. A BMP is told by the size of its second header too: "BM" alone may begin a text.
_SIGNATURES = re.compile(
    rb"(?P<PNG>\x89PNG\r\n\x1a\n)"
    rb"|(?P<JPEG>\xff\xd8\xff)"
    rb"|(?P<GIF>GIF8[79]a)"
    rb"|(?P<BMP>BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0)"
    rb"|(?P<WebP>RIFF.{4}WEBP)",
    re.DOTALL,
)


class _Essentials(NamedTuple):
    """A picture file without the parts that its pixels do not depend on."""

    content: bytes
    exif: bytes = b""


def decode_image(content: bytes, *, height: int, width: int) -> NDArray[np.uint8]:
    """Read a picture file of exactly this size, light article on black, as it is: not inverted, not resized.

    Colours become grey by ITU-R 601-2 luma, what is transparent shows black behind it, 16 bits are rounded to 8, and a
    picture that EXIF says is turned is turned upright.

    Returns:
        uint8[height, width], read-only.

    Raises:
        UnsupportedImageError: the content is not a PNG, JPEG, GIF, BMP or WebP file.
        InvalidImageError: it is one, but of another size, with several frames, or broken.
    """
    if not content:
        raise InvalidImageError("the file is empty; a PNG, JPEG, GIF, BMP or WebP picture is wanted")
    signature = _SIGNATURES.match(content)
    if signature is None or signature.lastgroup is None:
        raise UnsupportedImageError("this is not a picture of a type that is read: PNG, JPEG, GIF, BMP or WebP")
    kind = signature.lastgroup
    pixels = read_usual_png(content, height=height, width=width) if kind == "PNG" else None
    if pixels is not None:
        return pixels
    try:
        return _decode(kind, content, (width, height))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise InvalidImageError(f"the picture is far larger than {width}×{height} pixels") from error
    except Exception as error:  # decoders fail in a dozen ways on bytes made up to break them
        raise InvalidImageError(
            f"the file begins as a {kind}, but is cut short, damaged, without pixels or of a variant that is not read"
        ) from error


def decode_base64(text: str, *, height: int, width: int) -> NDArray[np.uint8]:
    """Read a picture file written in base64 (RFC 4648, section 4), or as a `data:` URL of it.

    The padding is needed; white space is skipped, since many tools break the lines. See `decode_image` for the rest.

    Returns:
        uint8[height, width], read-only.

    Raises:
        InvalidImageError: the text is not base64, or what it holds is not a picture that `decode_image` reads.
    """
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise InvalidImageError("the data: URL must be of the form data:image/png;base64,…")
    try:
        content = _decode_base64(text)
    except ValueError as error:
        raise InvalidImageError(
            "the text is not base64: A–Z, a–z, 0–9, + and /, padded with = to a multiple of 4 characters"
        ) from error
    try:
        return decode_image(content, height=height, width=width)
    except UnsupportedImageError as error:
        raise InvalidImageError(str(error)) from error


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return base64.b64decode("".join(text.split()), validate=True)


def encode_png(image: NDArray[np.uint8], *, scale: int = 1) -> bytes:
    """Write uint8[height, width] as a grey PNG, each pixel enlarged to `scale` × `scale` (nearest neighbour)."""
    file = BytesIO()
    Image.fromarray(image.repeat(scale, axis=0).repeat(scale, axis=1)).save(file, "PNG")
    return file.getvalue()


def _decode(kind: str, content: bytes, wanted: tuple[int, int]) -> NDArray[np.uint8]:
    """Decode content of a known kind; `wanted` is width and height. Raises whatever Pillow does, too."""
    strip, reader = _READERS[kind]
    essentials = strip(content)
    # The reader itself, not Image.open(): that warns of large pictures, and warnings cannot be caught in a thread.
    image: Image.Image = reader(BytesIO(essentials.content))
    if isinstance(image, WebPImageFile):  # the others' frames were counted while stripping
        _check_frames(image.n_frames)
    if image.size not in (wanted, wanted[::-1]):  # before load(), which alone takes memory for the pixels
        raise _wrong_size(image.size, wanted)
    image.load()
    exif = essentials.exif or image.info.get("exif")
    if exif:
        image = _turn_upright(image, exif)
    if image.size != wanted:
        raise _wrong_size(image.size, wanted)
    return _to_grey(image)


def _to_grey(image: Image.Image) -> NDArray[np.uint8]:
    transparent = image.info.get("transparency")
    if image.mode == "L" and transparent is None:
        return np.asarray(image)
    if image.mode == "I;16":  # Pillow would clip it to 255
        deep = np.asarray(image).astype(np.uint32)
        deep[deep == transparent] = 0
        return ((deep + 128) // 257).astype(np.uint8)  # 65535 = 257 × 255
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.asarray(image.convert("L"))


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


def _turn_upright(image: Image.Image, exif: bytes) -> Image.Image:
    try:
        method = _UPRIGHT.get(_read_orientation(exif.removeprefix(b"Exif\0\0")))
    except struct.error:  # broken EXIF is no EXIF, as it is to every viewer
        return image
    return image if method is None else image.transpose(method)


def _read_orientation(exif: bytes) -> int:
    """Read the tag Orientation alone; Pillow reads out every tag, and prints a warning for each that is odd."""
    order = "<" if exif.startswith(b"II") else ">"
    (start,) = struct.unpack_from(f"{order}L", exif, 4)
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for index in range(count):
        tag, value = struct.unpack_from(f"{order}H6xH", exif, start + 2 + 12 * index)
        if tag == 0x0112:  # noqa: PLR2004  # Orientation
            return int(value)
    return 1


def _check_frames(count: int) -> None:
    if count > 1:
        raise InvalidImageError(f"the picture has {count} frames; it must have one, as which is meant is not guessed")


def _wrong_size(size: tuple[int, int], wanted: tuple[int, int]) -> InvalidImageError:
    return InvalidImageError(
        f"the picture is {size[0]}×{size[1]} pixels (width×height), but must be {wanted[0]}×{wanted[1]}; "
        "it is not resized here"
    )


_PNG_CHUNK = struct.Struct(">L4s")
_PNG_ESSENTIAL = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def _strip_png(content: bytes) -> _Essentials:
    """Keep the essential chunks; check their sums, which Pillow leaves out for the pixels (PNG 3rd ed., section 5)."""
    kept = [content[:8]]
    exif = b""
    frames = 1
    is_after_pixels = False
    at = 8
    kind = b""
    while kind != b"IEND":
        length, kind = _PNG_CHUNK.unpack_from(content, at)
        end = at + 12 + length
        if kind in _PNG_ESSENTIAL:
            if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
                raise ValueError("a chunk is damaged")
            is_after_pixels = is_after_pixels or kind == b"IDAT"
            kept.append(content[at:end])
        elif kind == b"eXIf":
            exif = content[at + 8 : end - 4]
        elif kind == b"fcTL":  # a frame of an animation; the one before the first pixels is those pixels
            frames += is_after_pixels
        at = end
    _check_frames(frames)
    return _Essentials(b"".join(kept), exif)


_PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


@functools.lru_cache(maxsize=8)
def _make_grey_header(height: int, width: int) -> bytes:
    """Write how a PNG of this size begins that is 8-bit grey and not interlaced, up to its pixels' chunk."""
    header = b"IHDR" + struct.pack(">2L5B", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + header + zlib.crc32(header).to_bytes(4)


def read_usual_png(content: bytes, *, height: int, width: int) -> NDArray[np.uint8] | None:
    """Read a PNG of this size that is 8-bit grey, its pixels in one chunk, and nothing else; `None` for any other.

    So does Pillow write the data set's images. Pillow's decoder gets the very bytes that its reader would give to it,
    but no file, nor an object for each chunk: it takes 0.4 of the time (`timeit`, side by side). What it refuses is
    left to the reader to refuse.

    Returns:
        uint8[height, width], read-only.
    """
    header = _make_grey_header(height, width)
    start = len(header)
    end = start + 12 + int.from_bytes(content[start : start + 4])
    if not content.startswith(header) or not content.startswith(_PNG_END, end):
        return None
    chunk = content[start + 4 : end - 4]
    if not chunk.startswith(b"IDAT") or zlib.crc32(chunk) != int.from_bytes(content[end - 4 : end]):
        return None
    try:
        pixels = Image.frombytes("L", (width, height), chunk[4:], "zip", "L", 0).tobytes()
    except ValueError:
        return None
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


_JPEG_SCAN = 0xDA
_JPEG_EXIF = 0xE1
# Frame headers and tables (C0–CF), quantisation, restart interval; JFIF and Adobe say how colours are stored.
_JPEG_ESSENTIAL = frozenset((*range(0xC0, 0xD0), 0xDB, 0xDD, 0xE0, 0xEE))


def _strip_jpeg(content: bytes) -> _Essentials:
    """Keep the essential segments (ITU-T T.81, annex B) up to the first scan, and all that follows it."""
    kept = [content[:2]]
    exif = b""
    at = 2
    while True:
        mark, marker, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF or length < 2:  # noqa: PLR2004  # FF stands before every marker; the length counts itself
            raise ValueError("no segment where one must be")
        if marker == 0xFF:  # noqa: PLR2004  # padding
            at += 1
            continue
        if marker == _JPEG_SCAN:
            kept.append(content[at:])
            return _Essentials(b"".join(kept), exif)
        end = at + 2 + length
        if marker in _JPEG_ESSENTIAL:
            kept.append(content[at:end])
        elif marker == _JPEG_EXIF and content.startswith(b"Exif\0\0", at + 4):
            exif = exif or content[at + 4 : end]
        at = end


_GIF_TRAILER = 0x3B
_GIF_FRAME = 0x2C
_GIF_EXTENSION = 0x21
_GIF_CONTROL = b"\x21\xf9\x04"


def _strip_gif(content: bytes) -> _Essentials:
    """Keep the one frame and which colour of it is transparent (GIF89a, sections 17–27)."""
    at = 13 + _gif_palette_bytes(content[10])
    kept = [content[:at]]
    frames = 0
    while content[at] != _GIF_TRAILER:
        start = at
        if content[at] == _GIF_FRAME:
            at += 11 + _gif_palette_bytes(content[at + 9])
            frames += 1
        elif content[at] == _GIF_EXTENSION:
            at += 2
        else:
            raise ValueError("neither a frame, nor an extension, nor the end")
        while content[at]:
            at += 1 + content[at]
        at += 1
        if content[start] == _GIF_FRAME:
            kept.append(content[start:at])
        elif content.startswith(_GIF_CONTROL, start) and content[start + 3] & 1 and not frames:
            kept.append(_GIF_CONTROL + bytes((1, 0, 0, content[start + 6], 0)))
    _check_frames(frames)
    if kept[-1][1:9] != bytes(4) + content[6:10]:  # Pillow would take memory for it before the size can be checked
        raise ValueError("the frame does not fill the screen")
    return _Essentials(b"".join((*kept, b";")))


def _gif_palette_bytes(flags: int) -> int:
    return 6 << (flags & 7) if flags & 0x80 else 0


def _check_bmp(content: bytes) -> _Essentials:
    """Refuse a palette of more colours than 8 bits can name, which Pillow would walk for each file."""
    is_core = content[14] == 12  # noqa: PLR2004  # the oldest header, BITMAPCOREHEADER, has no such field
    if not is_core and struct.unpack_from("<L", content, 46)[0] > 256:  # noqa: PLR2004
        raise ValueError("too large a palette")
    return _Essentials(content)


_READERS: Final[dict[str, tuple[Callable[[bytes], _Essentials], Callable[[BytesIO], ImageFile]]]] = {
    "PNG": (_strip_png, PngImageFile),
    "JPEG": (_strip_jpeg, JpegImageFile),
    "GIF": (_strip_gif, GifImageFile),
    "BMP": (_check_bmp, BmpImageFile),
    "WebP": (_Essentials, WebPImageFile),  # libwebp unpacks nothing but the pixels
}
