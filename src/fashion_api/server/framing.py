"""Where HTTP/1 requests begin and end in a stream of bytes, and which bytes are none (RFC 9112).

It reads what tells one request from the next: request line, `Host`, `Content-Length`, `Transfer-Encoding`, chunks. It
is stricter than the parsers of HTTP servers, so that a server which reads the same bytes finds the same requests.
"""

import re
from typing import NamedTuple, Protocol

from fashion_api.errors import HeadTooLargeError, MalformedRequestError

MAX_HEAD_BYTES = 32 * 1024
"""The most bytes of a request line with its headers; also of the trailers behind a chunked body."""
MAX_FIELDS = 100
"""The most header lines of a request; also the most trailers."""
_MAX_CHUNK_LINE_BYTES = 1024

# CONNECT is missing: no HTTP follows it. Methods that no parser knows are missing too.
_METHODS = (
    rb"(?:GET|POST|HEAD|OPTIONS|PUT|DELETE|PATCH|TRACE|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|SEARCH|REPORT|"
    rb"MKCALENDAR|MKACTIVITY|CHECKOUT|MERGE|ACL|BIND|REBIND|UNBIND|LINK|UNLINK|PURGE|NOTIFY|SUBSCRIBE|UNSUBSCRIBE)"
)
_PORT = rb"(?:[0-5]?[0-9]{1,4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_AUTHORITY = rb"(?:[0-9A-Za-z._-]++|\[[0-9A-Fa-f:.]++\])(?::" + _PORT + rb")?"
_LINE = _METHODS + rb" ((?:https?://" + _AUTHORITY + rb")?/[!-~]*+|\*) HTTP/1\.([01])\r\n"
_FIELDS = rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+\r\n)*+"
_HEAD = re.compile(_LINE + _FIELDS + rb"\r\n")
_HEAD_SO_FAR = re.compile(_LINE + _FIELDS)
_LINE_SO_FAR = re.compile(rb"\r|[A-Z][A-Z-]{0,19}(?: [!-~]*+(?: [HTP/0-9.]{0,8}\r?)?)?")
_FRAMING_FIELD = re.compile(rb"\n(host|content-length|transfer-encoding|upgrade|expect):[ \t]*+([^\r]*)", re.IGNORECASE)
_OFFER = re.compile(rb"(?<=\n)upgrade:[^\n]*\n", re.IGNORECASE)
_OFFER_OF_1_0 = re.compile(rb"(?<=\n)(?:upgrade|expect):[^\n]*\n", re.IGNORECASE)
_HOST = re.compile(rb"[0-9A-Za-z._~!$&'()*+,;=:%\[\]-]*+[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,15}[ \t]*")
_CHUNK_SIZE = rb"([0-9A-Fa-f]{1,12})(?:[ \t]*;[\t -~\x80-\xff]*+)?\r\n"
_FIRST_CHUNK_LINE = re.compile(_CHUNK_SIZE)
_NEXT_CHUNK_LINE = re.compile(rb"\r\n" + _CHUNK_SIZE)
_CHUNK_LINE_SO_FAR = re.compile(rb"\r|(?:\r\n)?(?:[0-9A-Fa-f]{1,12}(?:[ \t]*(?:;[\t -~\x80-\xff]*+)?)?\r?)?")
_TRAILERS = re.compile(_FIELDS + rb"(\r\n)?")

_BAD_LINE = "a request must begin with METHOD /PATH HTTP/1.1, or 1.0, and a method that is known; lines end with CR LF"
_BAD_FIELD = "a header line must be NAME: VALUE, without control characters, and end with CR LF"
_TOO_LARGE = f"the head of a request has at most {MAX_HEAD_BYTES} bytes and {MAX_FIELDS} headers; so have trailers"


class Head(NamedTuple):
    """A request's head in a stream of bytes."""

    end: int
    """The position behind it."""
    target: bytes
    body_bytes: int | None
    """How many bytes follow as its body; `None` for a chunked one."""
    has_offer: bool
    """Whether it offers what must be left out: another protocol (`Upgrade`) or, in HTTP/1.0, `Expect`."""


def read_head(data: bytes, start: int) -> Head | None:
    """Read the head that begins at `start`; `None` where more of it must come.

    Raises:
        MalformedRequestError: it is none, or does not say where its body ends.
        HeadTooLargeError: it is too large, whether or not all of it is there.
    """
    match = _HEAD.match(data, start, start + MAX_HEAD_BYTES)
    if match is None:
        _check_head_so_far(data, start)
        return None
    end = match.end()
    if data.count(b"\n", start, end) > MAX_FIELDS + 2:
        raise HeadTooLargeError(_TOO_LARGE)
    target, minor_version = match.groups()
    hosts, length, is_chunked, has_offer = 0, None, False, False
    for name, value in _FRAMING_FIELD.findall(data, start, end):
        field = name.lower()
        if field == b"host" and _HOST.fullmatch(value):
            hosts += 1
        elif field == b"content-length" and length is None and _LENGTH.fullmatch(value):
            length = int(value)
        elif field == b"transfer-encoding" and not is_chunked and value.rstrip().lower() == b"chunked":
            is_chunked = True
        elif field in (b"upgrade", b"expect"):
            has_offer = has_offer or field == b"upgrade" or minor_version == b"0"
        else:
            raise MalformedRequestError(f"{field.decode()} has a value that is not accepted, or is given twice")
    if hosts != 1 and (hosts or minor_version == b"1"):
        raise MalformedRequestError("host must be given once")
    if is_chunked and (length is not None or minor_version == b"0"):
        raise MalformedRequestError("transfer-encoding is for HTTP/1.1, and without content-length")
    return Head(end, target, None if is_chunked else length or 0, has_offer)


def _check_head_so_far(data: bytes, start: int) -> None:
    """Refuse what will be no head, however it goes on."""
    limit = start + MAX_HEAD_BYTES
    so_far = _HEAD_SO_FAR.match(data, start, limit)
    if so_far is None:
        if data.find(b"\n", start, limit) >= 0 or (
            start < len(data) and not _LINE_SO_FAR.fullmatch(data, start, limit)
        ):
            raise MalformedRequestError(_BAD_LINE)
    elif data.count(b"\n", start, so_far.end()) > MAX_FIELDS + 1:
        raise HeadTooLargeError(_TOO_LARGE)
    elif data.find(b"\n", so_far.end(), limit) >= 0:
        raise MalformedRequestError(_BAD_FIELD)
    if len(data) > limit:
        raise HeadTooLargeError(_TOO_LARGE)


def drop_offers(head: bytes) -> bytes:
    """Leave out the offers of another protocol, as a server may, and `Expect` in HTTP/1.0, as it must.

    See RFC 9110, sections 7.8 and 10.1.1: a caller of HTTP/1.0 takes 100 for the answer.
    """
    is_1_0 = head.startswith(b"HTTP/1.0\r", head.rindex(b" ", 0, head.index(b"\n")) + 1)
    return (_OFFER_OF_1_0 if is_1_0 else _OFFER).sub(b"", head)


class Body(Protocol):
    """The part of a request's body that has not come yet."""

    is_whole: bool

    def read(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Take what belongs to it; gives what a server is to read, and the position behind it."""


class SizedBody:
    """A body of a known number of bytes."""

    def __init__(self, missing_bytes: int) -> None:
        self._missing_bytes = missing_bytes
        self.is_whole = False

    def read(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Give what belongs to it."""
        end = min(start + self._missing_bytes, len(data))
        self._missing_bytes -= end - start
        self.is_whole = self._missing_bytes == 0
        return data[start:end], end


class ChunkedBody:
    """A chunked body (RFC 9112, section 7.1), written anew: a chunk for each packet, no extensions, no trailers."""

    def __init__(self) -> None:
        self._begun = b""
        """A line of which an earlier packet has the beginning; or the trailers, from the first on."""
        self._missing_bytes = 0
        """Of the chunk that has begun."""
        self._line = _FIRST_CHUNK_LINE
        self._has_ended = False
        self.is_whole = False

    def read(self, data: bytes, start: int) -> tuple[bytes, int]:
        """Give what it has in this packet, as one chunk.

        Raises:
            MalformedRequestError: these are no chunks.
            HeadTooLargeError: the trailers are too large.
        """
        buffer = self._begun + data[start:]
        self._begun = b""
        pieces, position = [buffer[: self._missing_bytes]], self._missing_bytes
        while position < len(buffer) and not self._has_ended:  # written for bodies of many small chunks
            match = self._line.match(buffer, position, position + _MAX_CHUNK_LINE_BYTES)
            if match is None:
                self._begun = _keep_line(buffer[position : position + _MAX_CHUNK_LINE_BYTES])
                position = len(buffer)
                break
            self._line = _NEXT_CHUNK_LINE
            size, line_end = int(match[1], 16), match.end()
            self._has_ended = size == 0
            position = line_end + size
            pieces.append(buffer[line_end:position])
        self._missing_bytes = max(0, position - len(buffer))
        position = self._read_trailers(buffer, position) if self._has_ended else min(position, len(buffer))
        content = b"".join(pieces)
        chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
        return chunk + b"0\r\n\r\n" if self.is_whole else chunk, len(data) - len(buffer) + position

    def _read_trailers(self, buffer: bytes, start: int) -> int:
        limit = start + MAX_HEAD_BYTES
        match = _TRAILERS.match(buffer, start, limit)
        end = match.end() if match else start
        if buffer.count(b"\n", start, end) > MAX_FIELDS + 1:
            raise HeadTooLargeError(_TOO_LARGE)
        if match and match[1]:
            self.is_whole = True
            return end
        if buffer.find(b"\n", end, limit) >= 0:
            raise MalformedRequestError(_BAD_FIELD)
        if len(buffer) > limit:
            raise HeadTooLargeError(_TOO_LARGE)
        self._begun = buffer[start:]
        return len(buffer)


def _keep_line(line: bytes) -> bytes:
    """Give the beginning of a line before a chunk; refuse what will be none."""
    if len(line) == _MAX_CHUNK_LINE_BYTES or not _CHUNK_LINE_SO_FAR.fullmatch(line):
        raise MalformedRequestError("a chunk of the body must be as long as the line before it says")
    return line
