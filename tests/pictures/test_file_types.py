"""Recognising the type of a picture file."""

import pytest
from PIL import Image

from fashion_api.pictures.file_types import MEDIA_TYPES, FileType, detect_file_type
from tests import picture_files as pictures

FILE_TYPES: tuple[FileType, ...] = ("PNG", "JPEG", "GIF", "BMP", "WebP")


@pytest.mark.parametrize("file_type", FILE_TYPES)
def test_file_is_recognised_by_its_first_bytes(file_type: FileType) -> None:
    """A picture file of each type that is read is recognised."""
    assert detect_file_type(pictures.grey_picture(file_type.upper())) == file_type


@pytest.mark.parametrize("content", [b"", b"BM", b"BM begins this text, too.", b"RIFF....WAVE"])
def test_any_other_file_is_of_no_type(content: bytes) -> None:
    """A file that begins like none of them has no type, even where its first letters agree."""
    assert detect_file_type(content) is None


def test_media_types_are_those_of_the_file_types() -> None:
    """The media types that are documented are those of the file types that are read."""
    assert [Image.MIME[file_type.upper()] for file_type in FILE_TYPES] == list(MEDIA_TYPES)
