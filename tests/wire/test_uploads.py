"""Uploaded picture files."""

import numpy as np
import pytest

from fashion_api.errors import Fault, InvalidImageError, InvalidRequestError, UnsupportedImageError
from fashion_api.inference.manifest import InputSpec
from fashion_api.wire.operation import LONG, finish_steps
from fashion_api.wire.uploads import MAX_OTHER_PARTS, UploadedFile, decode_files, read_form_files
from tests import picture_files as pictures
from tests.wire.asking import list_places, the_fault

SPEC = InputSpec(height=28, width=28)
OTHER = np.roll(pictures.PIXELS, 3, axis=0)


def write_form(*parts: tuple[str, str | None, bytes]) -> bytes:
    """Write a form of parts: the name, the file name if it is a file, and the content."""
    written = []
    for name, filename, content in parts:
        suffix = "" if filename is None else f'; filename="{filename}"'
        head = f'--x\r\nContent-Disposition: form-data; name="{name}"{suffix}\r\n\r\n'
        written.append(head.encode() + content + b"\r\n")
    return b"".join(written) + b"--x--\r\n"


def read(*parts: tuple[str, str | None, bytes], max_files: int = 5) -> list[UploadedFile]:
    return finish_steps(read_form_files(write_form(*parts), "multipart/form-data; boundary=x", max_files=max_files))


def refuse(*parts: tuple[str, str | None, bytes], max_files: int = 5) -> Fault:
    with pytest.raises(InvalidRequestError) as caught:
        read(*parts, max_files=max_files)
    return the_fault(caught.value)


def test_files_are_read_in_their_order() -> None:
    """The files of a form are given with their names, in the order of its parts."""
    assert read(("file", "b.png", b"1"), ("file", "a.png", b"2")) == [
        UploadedFile("b.png", b"1"),
        UploadedFile("a.png", b"2"),
    ]


@pytest.mark.parametrize("filename", [None, "other.png"], ids=["a text", "a file"])
def test_parts_of_other_names_are_ignored(filename: str | None) -> None:
    """Other fields of the form are ignored, whatever they hold."""
    assert read(("token", filename, b"1"), ("file", "a.png", b"2")) == [UploadedFile("a.png", b"2")]


def test_number_of_other_parts_is_bounded() -> None:
    """A form of very many other fields is refused."""
    fault = refuse(*[("token", None, b"")] * (MAX_OTHER_PARTS + 6))
    assert fault.message == f"the multipart body cannot be read: it has more than {MAX_OTHER_PARTS + 5} parts"


@pytest.mark.parametrize(
    ("parts", "found"),
    [([], "but the form has no parts"), ([("image", "a.png", b"1")], "not 'image'")],
    ids=["no parts", "a file of another name"],
)
def test_form_without_a_file_is_refused(parts: list[tuple[str, str | None, bytes]], found: str) -> None:
    """A form without a file in a part named `file` is refused, with what it has instead."""
    assert refuse(*parts) == Fault("file", f"is missing: each picture must be a file in a part named 'file', {found}")


def test_text_in_place_of_a_file_is_refused() -> None:
    """A text field named `file` is refused, also beside a file."""
    assert refuse(("file", "a.png", b"1"), ("file", None, b"a.png")) == Fault(
        "file", "is a text field, but must be a file: its part has no `filename`"
    )


def test_too_many_files_are_refused_with_the_limit() -> None:
    """More files than one request may hold are refused, and the message names the limit."""
    assert refuse(*[("file", "a.png", b"1")] * 3, max_files=2).message == (
        "there are 3 files, but one request may hold 2"
    )


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("boot.png", "boot.png"),
        ("C:\\photos\\boot.png", "boot.png"),
        ("/etc/photos/boot.png", "boot.png"),
        ("../../boot.png", "boot.png"),
        ("photos/", None),
        ("", None),
    ],
    ids=["plain", "Windows", "absolute", "upwards", "a folder", "empty"],
)
def test_folders_of_a_file_name_are_removed(filename: str, name: str | None) -> None:
    """Only the last part of a file name is kept."""
    assert read(("file", filename, b"1")) == [UploadedFile(name, b"1")]


def test_files_are_decoded_in_their_order() -> None:
    """Each file gives its image, in the order of the files."""
    files = [pictures.grey_png(pixels) for pixels in (pictures.PIXELS, OTHER)]
    np.testing.assert_array_equal(finish_steps(decode_files(files, SPEC)).images, np.stack([pictures.PIXELS, OTHER]))


def test_each_file_is_a_step() -> None:
    """Several files are decoded one at a step, so that others can be served in between."""
    files = [pictures.grey_png()] * 3
    assert len(list(decode_files(files, SPEC))) == 3


@pytest.mark.parametrize(
    ("content", "error"),
    [(pictures.TEXT_FILE, UnsupportedImageError), (pictures.truncated_png(), InvalidImageError)],
    ids=["a text", "truncated"],
)
def test_error_of_the_only_file_is_its_own(content: bytes, error: type[Exception]) -> None:
    """A single file that cannot be classified raises the error that says why."""
    with pytest.raises(error):
        finish_steps(decode_files([content], SPEC))


def test_wrong_files_among_others_are_named() -> None:
    """Where some of several files are wrong, each is named by its place among the files."""
    contents = [pictures.TEXT_FILE, pictures.grey_png(), pictures.truncated_png()]
    with pytest.raises(InvalidRequestError) as caught:
        finish_steps(decode_files(contents, SPEC))
    assert list_places(caught.value) == ["file[0]", "file[2]"]


def test_files_of_other_sizes_are_resized_at_their_places() -> None:
    """Where pictures of other sizes are resized, each stays at its place, after a step that says that it is long."""
    contents = [pictures.grey_png(), pictures.grey_png(pictures.make_pixels(56, 28)), pictures.grey_png(OTHER)]
    found = finish_steps(decode_files(contents, SPEC, "stretch"))
    assert found.resized == {1: "stretch"}
    np.testing.assert_array_equal(found.images[[0, 2]], np.stack([pictures.PIXELS, OTHER]))
    np.testing.assert_allclose(found.images[1].astype(int), pictures.PIXELS, atol=8)
    assert list(decode_files(contents, SPEC, "stretch")).count(LONG) == 1


def test_file_that_cannot_be_resized_is_named() -> None:
    """A picture of far too many pixels is refused by its header, also where pictures are resized."""
    files = [pictures.grey_png(), pictures.bomb_png()]
    with pytest.raises(InvalidRequestError, match="pixels are read") as caught:
        finish_steps(decode_files(files, SPEC, "fit"))
    assert list_places(caught.value) == ["file[1]"]


def test_files_are_decoded_in_colour() -> None:
    """For a model in colour, pictures keep their colours."""
    files = [pictures.grey_png(pixels) for pixels in (pictures.COLOURS, pictures.PIXELS)]
    found = finish_steps(decode_files(files, InputSpec(height=28, width=28, channels=3)))
    np.testing.assert_array_equal(found.images, np.stack([pictures.COLOURS, np.stack([pictures.PIXELS] * 3, axis=-1)]))
