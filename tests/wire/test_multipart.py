"""Reading of `multipart/form-data`."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_api.errors import InvalidRequestError
from fashion_api.wire.multipart import Part, read_parts
from tests.wire.asking import run_steps

BOUNDARY = "a-B.9"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
DISPOSITION = b'Content-Disposition: form-data; name="file"; filename="boot 1.png"'
CONTENT = b"\x89PNG\r\n\x00\r\n--a-B"  # nearly a boundary


def write_form(*parts: tuple[bytes, bytes]) -> bytes:
    """Write a form of parts, each a block of headers and a content."""
    written = [b"--a-B.9\r\n" + headers + b"\r\n\r\n" + content + b"\r\n" for headers, content in parts]
    return b"".join(written) + b"--a-B.9--\r\n"


def read(body: bytes, content_type: str = CONTENT_TYPE, *, max_parts: int = 10) -> tuple[list[Part], int]:
    """Give the parts of a form, and in how many steps they were read."""
    parts, steps = run_steps(read_parts(body, content_type, max_parts=max_parts))
    return parts, len(steps)


@pytest.mark.parametrize(
    "headers",
    [
        DISPOSITION,
        DISPOSITION + b"\r\nContent-Type: image/png",
        b"Content-Type: image/png\r\nX-Other: 1\r\n" + DISPOSITION,
        DISPOSITION.replace(b"Content-Disposition", b"content-disposition"),
        DISPOSITION.replace(b": ", b":"),
        DISPOSITION.replace(b'"file"', b"file"),
    ],
    ids=["alone", "with a type", "last of three", "lower case", "no space", "unquoted"],
)
def test_file_is_read(headers: bytes) -> None:
    """A file is read with its name, however its headers are written."""
    assert read(write_form((headers, CONTENT)))[0] == [Part("file", "boot 1.png", CONTENT)]


def test_text_field_has_no_filename() -> None:
    """A text field is a part without a file name."""
    assert read(write_form((b'Content-Disposition: form-data; name="a"', b"text")))[0] == [Part("a", None, b"text")]


def test_parts_keep_their_order() -> None:
    """Parts are given in the order of the body, also where their names are equal."""
    parts, _ = read(write_form(*[(DISPOSITION, bytes([number])) for number in range(5)]))
    assert [part.content for part in parts] == [bytes([number]) for number in range(5)]


def test_name_is_read_as_utf_8() -> None:
    """Names are UTF-8; what is not is replaced."""
    headers = b'Content-Disposition: form-data; name="\xc3\xa9"; filename="\xff.png"'
    assert read(write_form((headers, b"")))[0] == [Part("é", "\ufffd.png", b"")]


@pytest.mark.parametrize(
    ("parameters", "filename"),
    [
        (b"filename*=UTF-8''boot%201.png", "boot 1.png"),
        (b"filename*=utf-8'en'%e2%82%ac.png", "€.png"),
        (b"FileName*=iso-8859-1''%e9.png", "é.png"),
        (b"filename*=\"utf-8''quoted.png\"", "quoted.png"),
        (b"filename*=utf-8''%ed%a0%80", "\ufffd\ufffd\ufffd"),
        (b"filename*=utf-8''other.png; filename=plain.png", "plain.png"),
        (b"filename*=unicode_escape''%5Cud800", None),
        (b"filename*=other.png", None),
    ],
    ids=["space", "language", "Latin 1", "quoted", "surrogate", "both", "other charset", "no charset"],
)
def test_extended_file_name_alone_is_a_file_name(parameters: bytes, filename: str | None) -> None:
    """A part whose only file name is `filename*` is a file; a plain `filename` comes before it."""
    headers = b'Content-Disposition: form-data; name="file"; ' + parameters
    assert read(write_form((headers, CONTENT)))[0] == [Part("file", filename, CONTENT)]


@pytest.mark.parametrize("content_type", [f'multipart/form-data; boundary="{BOUNDARY}"', f"{CONTENT_TYPE}; charset=x"])
def test_boundary_may_be_written_in_other_ways(content_type: str) -> None:
    """The boundary may be quoted, and other parameters may follow it."""
    assert len(read(write_form((DISPOSITION, CONTENT)), content_type)[0]) == 1


def test_form_without_parts_is_empty() -> None:
    """A form that ends at once has no parts."""
    assert read(b"--a-B.9--\r\n")[0] == []


def test_large_form_is_read_in_steps() -> None:
    """A large form is read a few kilobytes at a step, and its contents are whole."""
    content = bytes(range(256)) * 400
    parts, steps = read(write_form((DISPOSITION, content), (DISPOSITION, content)))
    assert [part.content for part in parts] == [content, content]
    assert steps > 20


@pytest.mark.parametrize("size", range(65_400, 65_600, 7))
def test_size_of_a_step_does_not_matter(size: int) -> None:
    """Wherever a boundary falls, at the end of a step too, the content is the same."""
    content = (b"\r\n--a-B" * (size // 7 + 1))[:size]
    assert read(write_form((DISPOSITION, content), (DISPOSITION, content)))[0][1].content == content


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (write_form((DISPOSITION, b"")), "multipart/form-data", "its Content-Type has no boundary"),
        (write_form((DISPOSITION, b"")), f"multipart/form-data; boundary={'x' * 5000}", "it does not fit its boundary"),
        (b"no parts", CONTENT_TYPE, "it does not fit its boundary"),
        (b"", CONTENT_TYPE, "it is cut short"),
        (write_form((DISPOSITION, b"abc"))[:-10], CONTENT_TYPE, "it is cut short"),
        (write_form((b"Content-Type: image/png", b"abc")), CONTENT_TYPE, "a part has no name"),
        (write_form((b"\xff: bad", b"abc")), CONTENT_TYPE, "it does not fit its boundary"),
        (write_form(*[(DISPOSITION, b"")] * 11), CONTENT_TYPE, "it has more than 10 parts"),
    ],
    ids=["no boundary", "a long boundary", "no multipart", "empty", "cut short", "no name", "a bad header", "too many"],
)
def test_form_that_cannot_be_read_is_refused(body: bytes, content_type: str, reason: str) -> None:
    """A body that is not the form that its Content-Type promises is refused, with the reason."""
    with pytest.raises(InvalidRequestError, match=f"^the multipart body cannot be read: {reason}$"):
        read(body, content_type)


# Pieces with a meaning, so that what is put together from them is now and then nearly right.
PIECES = st.sampled_from(
    [
        b"--a-B.9", b"\r\n--a-B.9", b"--a-B.9--", b"\r\n", b"--", b"\n", b"\r", b"-", b" ", b";", b'"', b"\\", b"=",
        b"*", b"Content-Disposition: form-data", b"content-disposition:form-data", b'; name="file"', b"; name=file",
        b'; filename="a.png"', b'; filename=""', b"; filename*=utf-8''a", b"Content-Type: text/plain; a=b",
        b"\xc3\xa9", b"abc", b"\0", b"\t", b": ",
    ]
)  # fmt: skip


@given(
    st.lists(PIECES | st.binary(max_size=3), max_size=30).map(b"".join)
    | st.lists(PIECES, max_size=3).map(lambda pieces: write_form((DISPOSITION + b"".join(pieces), CONTENT))),
    st.sampled_from([CONTENT_TYPE] * 4 + ["", "multipart/form-data; boundary", 'multipart/form-data; boundary="a-B.9']),
)
def test_any_body_is_read_or_refused(body: bytes, content_type: str) -> None:
    """Whatever a body holds, it is read or refused."""
    with suppress(InvalidRequestError):
        read(body, content_type)
