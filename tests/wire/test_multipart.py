"""Multipart bodies: the fast reader against python-multipart."""

from hypothesis import example, given
from hypothesis import strategies as st

from fashion_api.wire.multipart import MultipartError, Part, read_any_parts, read_usual_parts

BOUNDARY = "a-B.9"
USUAL = (
    b'--a-B.9\r\nContent-Disposition: form-data; name="file"; filename="boot 1.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\r\n--a-B.9--\r\n"
)

# Pieces that mean something, so that what is put together from them is now and then nearly right.
PIECES = st.sampled_from(
    [
        b"--a-B.9", b"\r\n--a-B.9", b"--a-B.9--", b"\r\n", b"--", b"\n", b"\r", b"-", b" ", b";", b'"', b"\\", b"=",
        b"*",
        b"Content-Disposition: form-data", b"content-disposition:form-data", b"Content-Disposition: attachment",
        b'; name="file"', b"; name=file", b';name="x"', b'; filename="a.png"', b'; filename=""',
        b'; filename="C:\\a.png"',
        b'; filename="a;name=b"', b"; filename*=utf-8''a", b"Content-Type: image/png", b"Content-Type: text/plain; a=b",
        b"Content-Length: 3", b"\xc3\xa9", b"%22", b"abc", b"\0", b"\t", b": ",
    ]
)  # fmt: skip
CONTENT_TYPES = st.sampled_from(
    ["multipart/form-data; boundary=a-B.9"] * 6
    + [
        'multipart/form-data; boundary="a-B.9"',
        "multipart/form-data;boundary=a-B.9",
        "multipart/form-data; charset=x; boundary=a-B.9",
        "multipart/form-data; boundary=a-B",
        'multipart/form-data; boundary="a-B.9',
        "multipart/form-data",
    ]
)


@st.composite
def altered_bodies(draw: st.DrawFn) -> bytes:
    """A usual body of one to three parts, with a piece put in, a byte changed or the end cut off here and there."""
    parts = [USUAL[: -len(b"--\r\n") - len(BOUNDARY) - 2]] * draw(st.integers(1, 3))
    body = bytearray(b"".join(parts) + b"--a-B.9--" + draw(st.sampled_from([b"", b"\r\n", b"\r\n\r\n", b"x"])))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 2))] = draw(PIECES)
    return bytes(body)


def read(body: bytes, content_type: str) -> list[Part] | None:
    """What python-multipart makes of a body; `None` where it refuses it."""
    try:
        return read_any_parts(body, content_type)
    except MultipartError:
        return None


def test_usual_body_is_read_fast() -> None:
    """One file, as clients write it, is what the fast reader reads."""
    parts = read_usual_parts(USUAL, f"multipart/form-data; boundary={BOUNDARY}")
    assert parts == [Part("file", "boot 1.png", b"\x89PNG\r\n\x00")]


@given(st.lists(PIECES, max_size=30).map(b"".join) | altered_bodies(), CONTENT_TYPES)
@example(USUAL + b"\r\n", "multipart/form-data; boundary=a-B.9")
@example(USUAL.replace(b"image/png", b"multipart/mixed"), "multipart/form-data; boundary=a-B.9")
def test_both_readers_agree(body: bytes, content_type: str) -> None:
    """Whatever the fast reader reads, python-multipart reads the same."""
    parts = read_usual_parts(body, content_type)
    assert parts is None or parts == read(body, content_type)
