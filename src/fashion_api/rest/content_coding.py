"""Content codings of request bodies: gzip and deflate (RFC 9110, section 8.4.1)."""

import zlib
from collections.abc import Generator

from fashion_api.errors import BodyTooLargeError, InvalidRequestError, UnsupportedCodingError
from fashion_api.wire.operation import RequestHead
from fashion_api.wire.validation import wrong

_GZIP, _DEFLATE = "gzip", "deflate"
ACCEPTED = f"{_GZIP}, {_DEFLATE}, identity"
"""The codings that are read, as `Accept-Encoding` has them."""
_CODINGS = {"": "", "identity": "", _GZIP: _GZIP, "x-gzip": _GZIP, _DEFLATE: _DEFLATE}  # RFC 9110, section 8.4.1.3
_MOST_TIMES = 1032
"""How many bytes one byte of deflate can become (RFC 1951)."""
_STEP_BYTES = 256 * 1024
_GZIP_WBITS, _ZLIB_WBITS = 31, 15


def read_coding(head: RequestHead) -> str:
    """Give the coding of a request's body; empty for none.

    Raises:
        UnsupportedCodingError: it is none that is read.
    """
    given = [value for name, value in head.headers if name == b"content-encoding"]
    coding = b", ".join(given).decode("latin-1").strip().lower()
    if coding not in _CODINGS:
        raise UnsupportedCodingError(
            f"the body has the content coding '{coding[:100]}'; {_GZIP}, {_DEFLATE} and identity are read"
        )
    return _CODINGS[coding]


def measure_decoded(body: bytes, coding: str, *, max_bytes: int) -> int:
    """Give the most bytes that a coded body may decode to: what gzip says itself, or what its length allows."""
    most = min(max_bytes, len(body) * _MOST_TIMES)
    return min(most, int.from_bytes(body[-4:], "little")) if coding == _GZIP else most  # RFC 1952, ISIZE


def decode_body(body: bytes, coding: str, *, max_bytes: int, most: int) -> Generator[None, None, bytes]:
    """Decode a body, 256 KiB at a step.

    Args:
        body: as it was sent.
        coding: gzip or deflate.
        max_bytes: how large a body may be.
        most: how large it may be, as `measure_decoded` gives it.

    Raises:
        BodyTooLargeError: it is larger than that.
        InvalidRequestError: it is not of this coding, is cut short, or goes on after its end.
    """
    decoder = zlib.decompressobj(_GZIP_WBITS if coding == _GZIP else _ZLIB_WBITS)
    decoded: list[bytes] = []
    size = 0
    rest = body
    try:
        while not decoder.eof:
            piece = decoder.decompress(rest, _STEP_BYTES)
            rest = decoder.unconsumed_tail
            if not piece and not rest:
                break
            size += len(piece)
            if size > most:
                reason = "are accepted" if most == max_bytes else "its end says"
                raise BodyTooLargeError(f"the body decodes to more than the {most} bytes that {reason}")
            decoded.append(piece)
            yield
    except zlib.error:
        raise _broken(f"is not {coding}, as its Content-Encoding says") from None
    if not decoder.eof:
        raise _broken(f"is {coding} that is cut short")
    if decoder.unused_data:
        raise _broken(f"goes on after the end of its {coding}")
    return b"".join(decoded)


def _broken(message: str) -> InvalidRequestError:
    return wrong("", f"the body {message}")
