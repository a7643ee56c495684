"""Picture files to pixels, grey or in colour: PNG, JPEG, GIF, BMP and WebP.

Each file is reduced to its essentials before Pillow decodes it. docs/reference/inputs.md lists the answer to each
kind of bad input.
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
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

from fashion_api.errors import ImageError, InvalidImageError, UnsupportedImageError, WrongSizeError
from fashion_api.pictures.essentials import check_frames, reduce_to_essentials
from fashion_api.pictures.file_types import FileType, detect_file_type
from fashion_api.pictures.orientation import turn_upright
from fashion_api.pictures.usual_png import read_usual_png

# The readers themselves, not Image.open(): that warns of large pictures, and warnings cannot be caught in a thread.
_READERS: Final[Mapping[FileType, Callable[[BytesIO], ImageFile]]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "GIF": GifImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}


_MAX_PIXEL_BYTES = 8
"""Four channels of 16 bits."""
_OTHER_BYTES = 64 * 1024
"""What headers and tables may take: decoding costs no more than pixels and these."""


def decode_image(content: bytes, *, height: int, width: int, channels: int = 1) -> NDArray[np.uint8]:
    """Read a picture file of exactly this size as it is: not inverted, not resized.

    Transparent parts are put over black, 16 bits are rounded to 8, and a picture that is turned, according to its EXIF
    data, is turned upright.

    Args:
        content: the file.
        height: of the upright picture.
        width: of the upright picture.
        channels: with 1, colours become grey by ITU-R 601-2 luma; with 3, greys become three equal channels.

    Returns:
        uint8[height, width], or uint8[height, width, 3] of red, green and blue; to be read only.

    Raises:
        UnsupportedImageError: the content is not a PNG, JPEG, GIF, BMP or WebP file.
        WrongSizeError: it is one, but of another size.
        InvalidImageError: it has several frames, or is broken.
    """
    file_type = recognise(content)
    if file_type == "PNG":
        pixels = read_usual_png(content, height=height, width=width, channels=channels)
        if pixels is not None:
            return pixels
    with explain_damage(file_type):
        try:
            return to_pixels(_decode(file_type, content, (width, height)), channels=channels)
        except Image.DecompressionBombError as error:
            raise WrongSizeError(f"the picture is far larger than {width}×{height} pixels") from error


def read_base64(text: str) -> bytes:
    """Give the content of a file that is written in base64 (RFC 4648, section 4), or as a `data:` URL of it.

    The padding is needed; white space is skipped, since many tools break the lines.

    Raises:
        InvalidImageError: the text is not base64.
    """
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise InvalidImageError("the data: URL must be of the form data:image/png;base64,…")
    try:
        return _decode_base64(text)
    except ValueError as error:
        raise InvalidImageError(
            "the text is not base64: A–Z, a–z, 0–9, + and /, padded with = to a multiple of 4 characters"
        ) from error


def recognise(content: bytes) -> FileType:
    """Recognise the type of a picture file.

    Raises:
        UnsupportedImageError: it is none that is read.
        InvalidImageError: the file is empty.
    """
    if not content:
        raise InvalidImageError("the file is empty; a PNG, JPEG, GIF, BMP or WebP picture is wanted")
    file_type = detect_file_type(content)
    if file_type is None:
        raise UnsupportedImageError("this is not a picture of a type that is read: PNG, JPEG, GIF, BMP or WebP")
    return file_type


@contextmanager
def explain_damage(file_type: FileType) -> Iterator[None]:
    """Raise whatever a decoder of this type raises as an `InvalidImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:  # decoders fail in a dozen ways on bytes made up to break them
        raise InvalidImageError(
            f"the file begins as a {file_type}, but is cut short, damaged, without pixels or of a variant that is not "
            "read"
        ) from error


class OpenedPicture(NamedTuple):
    """A picture file of which the header was read, and no pixel yet."""

    image: ImageFile
    content: bytes
    """The file's essentials."""
    exif: bytes


def open_picture(file_type: FileType, content: bytes) -> OpenedPicture:
    """Open a picture file of one frame. What Pillow raises passes through.

    Raises:
        InvalidImageError: it has several frames.
    """
    essentials = reduce_to_essentials(file_type, content)
    image = _READERS[file_type](BytesIO(essentials.content))
    if isinstance(image, WebPImageFile):  # the others' frames were counted while reducing
        check_frames(image.n_frames)
    return OpenedPicture(image, essentials.content, essentials.exif or image.info.get("exif") or b"")


def _decode_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return base64.b64decode("".join(text.split()), validate=True)


def _decode(file_type: FileType, content: bytes, wanted: tuple[int, int]) -> Image.Image:
    """Decode a file of this type; `wanted` is width and height. Pillow's own exceptions pass through."""
    opened = open_picture(file_type, content)
    image: Image.Image = opened.image
    if image.size not in (wanted, wanted[::-1]):  # before load(), which alone takes memory for the pixels
        raise _wrong_size(image.size, wanted)
    most_bytes = wanted[0] * wanted[1] * _MAX_PIXEL_BYTES + _OTHER_BYTES
    if len(opened.content) > most_bytes:
        raise InvalidImageError(
            f"the file has {len(opened.content)} bytes of pixels and tables; a picture of {wanted[0]}×{wanted[1]} "
            f"pixels may have {most_bytes}"
        )
    image.load()
    if opened.exif:
        image = turn_upright(image, opened.exif)
    if image.size != wanted:
        raise _wrong_size(image.size, wanted)
    return image


def to_pixels(image: Image.Image, *, channels: int) -> NDArray[np.uint8]:
    """Convert a picture of any mode to uint8[height, width] or uint8[height, width, 3]; transparent parts get black."""
    mode = "L" if channels == 1 else "RGB"
    transparent = image.info.get("transparency")
    if image.mode == mode and transparent is None:
        return np.asarray(image)
    if image.mode == "I;16":  # Pillow would clip it to 255
        deep = np.asarray(image).astype(np.uint32)
        deep[deep == transparent] = 0
        grey = ((deep + 128) // 257).astype(np.uint8)  # 65535 = 257 × 255
        return grey if channels == 1 else np.stack([grey] * channels, axis=-1)
    if image.has_transparency_data:
        black = Image.new("RGBA", image.size, "black")
        image = Image.alpha_composite(black, image.convert("RGBA"))
    return np.asarray(image.convert(mode))


def _wrong_size(size: tuple[int, int], wanted: tuple[int, int]) -> WrongSizeError:
    return WrongSizeError(
        f"the picture is {size[0]}×{size[1]} pixels (width×height), but must be {wanted[0]}×{wanted[1]}: "
        "resize it, as /api/v1/preparations does, or have the operator set FASHION_RESIZE"
    )
