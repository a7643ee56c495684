"""The types of picture files that are read, and how each is recognised."""

import re
from typing import Final, Literal, cast

FileType = Literal["PNG", "JPEG", "GIF", "BMP", "WebP"]

MEDIA_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/bmp", "image/webp")
"""The MIME types of the picture files that are read."""

# A group is named after the file type. The size of a BMP's second header is included: "BM" alone may begin a text.
_SIGNATURES = re.compile(
    rb"(?P<PNG>\x89PNG\r\n\x1a\n)"
    rb"|(?P<JPEG>\xff\xd8\xff)"
    rb"|(?P<GIF>GIF8[79]a)"
    rb"|(?P<BMP>BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0)"
    rb"|(?P<WebP>RIFF.{4}WEBP)",
    re.DOTALL,
)


def detect_file_type(content: bytes) -> FileType | None:
    """Recognise a picture file by its first bytes; `None` for a file of any other type."""
    signature = _SIGNATURES.match(content)
    return None if signature is None else cast("FileType", signature.lastgroup)
