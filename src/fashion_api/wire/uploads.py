"""Uploaded picture files: as parts of a form, or one as the raw body."""

import re
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from fashion_api.errors import Fault, ImageError, InvalidRequestError, WrongSizeError
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.resizing import Resize
from fashion_api.wire.multipart import Part, read_parts
from fashion_api.wire.operation import Step
from fashion_api.wire.sized_images import SizedImages, resize_picture

PART_NAME = "file"
"""The name of the form's parts that hold pictures; parts of other names are ignored."""
MAX_OTHER_PARTS = 100

_SEPARATOR = re.compile(r"[/\\]")


class UploadedFile(NamedTuple):
    """A file that a caller sent."""

    name: str | None
    """Without folders; `None` where there is none."""
    content: bytes


def read_form_files(body: bytes, content_type: str, *, max_files: int) -> Generator[None, None, list[UploadedFile]]:
    """Read the files of a form, in the order of its parts, in steps.

    Raises:
        InvalidRequestError: the form cannot be read, or has no file, too many, or a text in place of one.
    """
    parts = yield from read_parts(body, content_type, max_parts=max_files + MAX_OTHER_PARTS)
    files: list[UploadedFile] = []
    for part in parts:
        if part.name != PART_NAME:
            continue
        if part.filename is None:
            raise _make_error("is a text field, but must be a file: its part has no `filename`")
        files.append(UploadedFile(_remove_folders(part.filename), part.content))
    if not files:
        raise _make_error(f"is missing: each picture must be a file in a part named '{PART_NAME}', {_describe(parts)}")
    if len(files) > max_files:
        raise _make_error(f"there are {len(files)} files, but one request may hold {max_files}")
    return files


def decode_files(
    files: Sequence[bytes], spec: InputSpec, resize: Resize | None = None, *, name: str = PART_NAME
) -> Generator[Step, None, SizedImages]:
    """Decode picture files, one at a step; those of another size than the model's are resized, or else refused.

    Args:
        files: their contents.
        spec: what an image is.
        resize: what is done with those of another size; `None`: they are refused.
        name: what the request calls them.

    Raises:
        ImageError: the only file cannot be classified.
        InvalidRequestError: some of several files cannot be classified; says which, and why.
    """
    images = np.empty((len(files), *spec.shape), np.uint8)
    resized: dict[int, Resize] = {}
    faults: list[Fault] = []
    for position, content in enumerate(files):
        try:
            try:
                images[position] = decode_image(content, height=spec.height, width=spec.width, channels=spec.channels)
            except WrongSizeError:
                if resize is None:
                    raise
                images[position] = yield from resize_picture(content, resize, spec)
                resized[position] = resize
        except ImageError as error:
            if len(files) == 1:
                raise
            faults.append(Fault(f"{name}[{position}]", str(error)))
        yield None
    if faults:
        raise InvalidRequestError(faults)
    return SizedImages(images, resized)


def _make_error(message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(PART_NAME, message)])


def _describe(parts: Sequence[Part]) -> str:
    return f"not '{parts[0].name[:100]}'" if parts else "but the form has no parts"


def _remove_folders(filename: str) -> str | None:
    """Remove the folders that some clients send, with either system's separator."""
    return _SEPARATOR.split(filename)[-1] or None
