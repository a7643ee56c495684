"""Uploaded picture files: as parts of a form, or one as the raw body."""

import re
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np

from fashion_api.errors import Fault, ImageError, InvalidRequestError
from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import decode_image
from fashion_api.wire.multipart import Part, read_parts

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


def decode_files(files: Sequence[UploadedFile], spec: InputSpec) -> Generator[None, None, Images]:
    """Decode picture files of the model's size to uint8[n, height, width], one at a step.

    Raises:
        ImageError: the only file cannot be classified.
        InvalidRequestError: some of several files cannot be classified; says which, and why.
    """
    if len(files) == 1:
        return decode_image(files[0].content, height=spec.height, width=spec.width)[np.newaxis]
    images = np.empty((len(files), spec.height, spec.width), np.uint8)
    faults: list[Fault] = []
    for position, file in enumerate(files):
        try:
            images[position] = decode_image(file.content, height=spec.height, width=spec.width)
        except ImageError as error:
            faults.append(Fault(f"{PART_NAME}[{position}]", str(error)))
        yield
    if faults:
        raise InvalidRequestError(faults)
    return images


def _make_error(message: str) -> InvalidRequestError:
    return InvalidRequestError([Fault(PART_NAME, message)])


def _describe(parts: Sequence[Part]) -> str:
    return f"not '{parts[0].name[:100]}'" if parts else "but the form has no parts"


def _remove_folders(filename: str) -> str | None:
    """Remove the folders that some clients send, with either system's separator."""
    return _SEPARATOR.split(filename)[-1] or None
