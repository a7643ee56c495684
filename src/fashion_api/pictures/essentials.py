"""Picture files reduced to the parts that their pixels depend on.

A few kilobytes of the other parts (colour profiles, text, EXIF entries, cleared frames) can unpack to gigabytes, or
keep a processor busy for minutes. They are dropped before Pillow sees the file.
"""

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from fashion_api.errors import InvalidImageError
from fashion_api.pictures.file_types import FileType

_MAX_PARTS = 4096
"""The most chunks or segments of a file; one of more is built to keep a processor busy."""
_MAX_EXIF_BYTES = 64 * 1024


class Essentials(NamedTuple):
    """A picture file without the parts that its pixels do not depend on."""

    content: bytes
    exif: bytes = b""


def reduce_to_essentials(file_type: FileType, content: bytes) -> Essentials:
    """Drop the parts of a file that its pixels do not depend on.

    Raises:
        InvalidImageError: the picture has several frames, or the file far too many parts.
        ValueError, IndexError, struct.error: the file is damaged.
    """
    content, exif = _REDUCERS[file_type](content)
    return Essentials(content, exif[:_MAX_EXIF_BYTES])


def check_frames(count: int) -> None:
    """Refuse a picture of several frames.

    Raises:
        InvalidImageError: it has more than one.
    """
    if count > 1:
        raise InvalidImageError(f"the picture has {count} frames; it must have one, as which is meant is not guessed")


def _check_parts(count: int, most: int = _MAX_PARTS) -> None:
    if count > most:
        raise InvalidImageError(f"the file has more than {most} chunks, segments or blocks")


_PNG_CHUNK = struct.Struct(">L4s")
_PNG_ESSENTIAL = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))


def _reduce_png(content: bytes) -> Essentials:
    """Keep the essential chunks; check their sums, which Pillow leaves out for the pixels (PNG 3rd ed., section 5)."""
    kept = [content[:8]]
    exif = b""
    frames = 1
    is_after_pixels = False
    at = 8
    kind = b""
    parts = 0
    while kind != b"IEND":
        parts += 1
        _check_parts(parts)
        length, kind = _PNG_CHUNK.unpack_from(content, at)
        end = at + 12 + length
        if kind in _PNG_ESSENTIAL:
            if zlib.crc32(content[at + 4 : end - 4]) != int.from_bytes(content[end - 4 : end]):
                raise ValueError("a chunk is damaged")
            is_after_pixels = is_after_pixels or kind == b"IDAT"
            kept.append(_widen_transparent_grey(content, at) if kind == b"tRNS" else content[at:end])
        elif kind == b"eXIf":
            exif = content[at + 8 : end - 4]
        elif kind == b"fcTL":  # a frame of an animation; the one before the first pixels is those pixels
            frames += is_after_pixels
        at = end
    check_frames(frames)
    return Essentials(b"".join(kept), exif)


def _widen_transparent_grey(content: bytes, at: int) -> bytes:
    """Give a PNG's chunk tRNS; a grey of 2 or 4 bits in the 8 to which Pillow widens the pixels, but not this."""
    bits, colour_type = content[24:26]
    if colour_type != 0 or bits not in (2, 4):
        return content[at : at + 12 + int.from_bytes(content[at : at + 4])]
    most = (1 << bits) - 1
    (grey,) = struct.unpack_from(">H", content, at + 8)
    chunk = b"tRNS" + struct.pack(">H", (grey & most) * (255 // most))
    return struct.pack(">L", 2) + chunk + struct.pack(">L", zlib.crc32(chunk))


_JPEG_SCAN = 0xDA
_JPEG_EXIF = 0xE1
# Frame headers and tables (C0–CF), quantisation, restart interval; JFIF and Adobe say how colours are stored.
_JPEG_ESSENTIAL = frozenset((*range(0xC0, 0xD0), 0xDB, 0xDD, 0xE0, 0xEE))


def _reduce_jpeg(content: bytes) -> Essentials:
    """Keep the essential segments (ITU-T T.81, annex B) up to the first scan, and all that follows it."""
    kept = [content[:2]]
    exif = b""
    at = 2
    parts = 0
    while True:
        parts += 1
        _check_parts(parts)
        mark, marker, length = struct.unpack_from(">BBH", content, at)
        if mark != 0xFF or length < 2:  # noqa: PLR2004  # FF stands before every marker; the length counts itself
            raise ValueError("no segment where one must be")
        if marker == 0xFF:  # noqa: PLR2004  # padding
            at += 1
            continue
        if marker == _JPEG_SCAN:
            kept.append(content[at:])
            return Essentials(b"".join(kept), exif)
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


def _reduce_gif(content: bytes) -> Essentials:
    """Keep the one frame and which colour of it is transparent (GIF89a, sections 17–27)."""
    at = 13 + _count_palette_bytes(content[10])
    kept = [content[:at]]
    frames = 0
    parts = 0
    most_parts = _MAX_PARTS + len(content) // 128  # its blocks have up to 255 bytes
    while content[at] != _GIF_TRAILER:
        start = at
        if content[at] == _GIF_FRAME:
            at += 11 + _count_palette_bytes(content[at + 9])
            frames += 1
        elif content[at] == _GIF_EXTENSION:
            at += 2
        else:
            raise ValueError("neither a frame, nor an extension, nor the end")
        while content[at]:
            parts += 1
            _check_parts(parts, most_parts)
            at += 1 + content[at]
        parts += 1
        _check_parts(parts, most_parts)
        at += 1
        if content[start] == _GIF_FRAME:
            kept.append(content[start:at])
        elif content.startswith(_GIF_CONTROL, start) and content[start + 3] & 1 and not frames:
            kept.append(_GIF_CONTROL + bytes((1, 0, 0, content[start + 6], 0)))
    check_frames(frames)
    if kept[-1][1:9] != bytes(4) + content[6:10]:  # Pillow would allocate it before the size can be checked
        raise ValueError("the frame does not fill the screen")
    return Essentials(b"".join((*kept, b";")))


def _count_palette_bytes(flags: int) -> int:
    return 6 << (flags & 7) if flags & 0x80 else 0


def _check_bmp(content: bytes) -> Essentials:
    """Refuse a palette of more colours than 8 bits can name: Pillow would read all of it."""
    is_core = content[14] == 12  # noqa: PLR2004  # the oldest header, BITMAPCOREHEADER, has no such field
    if not is_core and struct.unpack_from("<L", content, 46)[0] > 256:  # noqa: PLR2004  # what 8 bits can name
        raise ValueError("too large a palette")
    return Essentials(content)


_WEBP_CHUNK = struct.Struct("<4sL")
_WEBP_ESSENTIAL = frozenset((b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"))
_WEBP_METADATA_FLAGS = 0x2C  # that there are an ICC profile, EXIF data and XMP data


def _reduce_webp(content: bytes) -> Essentials:
    """Keep the chunks of pixels (RFC 9649, section 2); an animation's frames are counted by libwebp."""
    kept = [b"WEBP"]
    exif = b""
    at = 12
    parts = 0
    while at + _WEBP_CHUNK.size <= len(content):
        parts += 1
        _check_parts(parts)
        kind, length = _WEBP_CHUNK.unpack_from(content, at)
        start, end = at + _WEBP_CHUNK.size, at + _WEBP_CHUNK.size + length + length % 2
        if kind == b"VP8X":
            kept.append(content[at:start] + bytes([content[start] & ~_WEBP_METADATA_FLAGS]) + content[start + 1 : end])
        elif kind in _WEBP_ESSENTIAL:
            kept.append(content[at:end])
        elif kind == b"EXIF":
            exif = content[start : start + length]
        at = end
    body = b"".join(kept)
    return Essentials(b"RIFF" + struct.pack("<L", len(body)) + body, exif)


_REDUCERS: Final[Mapping[FileType, Callable[[bytes], Essentials]]] = {
    "PNG": _reduce_png,
    "JPEG": _reduce_jpeg,
    "GIF": _reduce_gif,
    "BMP": _check_bmp,
    "WebP": _reduce_webp,
}
