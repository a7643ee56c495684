"""`multipart/form-data`: the parts of a body that is in memory already (RFC 7578).

What clients usually send is read by a few searches. The rest is left to python-multipart, which looks at headers byte
by byte and calls back for each piece: for one file that takes 13 times as long (`timeit`, side by side).
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # known to type checkers only


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a form."""

    name: str
    filename: str | None
    """`None` for a part that is a text, and no file."""
    content: bytes


class MultipartError(ValueError):
    """The body is not multipart, or not as its boundary says."""


def parse_multipart(body: bytes, content_type: str) -> list[Part]:
    """Read the parts of a body, in their order.

    Raises:
        MultipartError: there is no boundary, the body is not as it says, or a part has no name.
    """
    parts = read_usual_parts(body, content_type)
    return read_any_parts(body, content_type) if parts is None else parts


_CONTENT_TYPE = re.compile(r'multipart/form-data; boundary=("?)([0-9A-Za-z_.+/=-]{1,70})\1')
# What is quoted is plain text, with nothing in it that is written or read in more than one way.
_HEADERS = re.compile(
    rb'\r\nContent-Disposition: form-data; name="([ !#-\[\]-~]*)"(?:; filename="([ !#-\[\]-~]*)")?'
    rb"(?:\r\nContent-Type: [!-~]+)?\r\n\r\n",
    re.IGNORECASE,
)


def read_usual_parts(body: bytes, content_type: str) -> list[Part] | None:
    """Read parts as curl, browsers, requests and httpx write them; `None` for any other body, good or bad."""
    found = _CONTENT_TYPE.fullmatch(content_type)
    if found is None:
        return None
    boundary = b"\r\n--" + found[2].encode()
    first, *pieces = (b"\r\n" + body).split(boundary)
    if first or not pieces or pieces.pop() not in (b"--\r\n", b"--"):
        return None
    parts = []
    for piece in pieces:
        headers = _HEADERS.match(piece)
        if headers is None:
            return None
        name, filename = headers.groups()
        parts.append(Part(name.decode(), None if filename is None else filename.decode(), piece[headers.end() :]))
    return parts or None


def read_any_parts(body: bytes, content_type: str) -> list[Part]:
    """Read the parts of a body, however they are written.

    Raises:
        MultipartError: as `parse_multipart`.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MultipartError("there is no boundary")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MultipartError("the body is not as its boundary says") from error
    if not collector.is_whole:
        raise MultipartError("the body is cut short")
    return collector.parts


class _Collector:
    """Takes what the parser finds."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.is_whole = False
        self._header = [b"", b""]
        self._disposition = b""
        self._content: list[bytes] = []

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser is to call."""
        return {
            "on_part_begin": self._begin,
            "on_header_field": lambda data, start, end: self._add_to_header(0, data[start:end]),
            "on_header_value": lambda data, start, end: self._add_to_header(1, data[start:end]),
            "on_header_end": self._end_header,
            "on_part_data": lambda data, start, end: self._content.append(data[start:end]),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        self._disposition = b""
        self._content = []

    def _add_to_header(self, place: int, text: bytes) -> None:
        self._header[place] += text

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = value
        self._header = [b"", b""]

    def _end(self) -> None:
        options = parse_options_header(self._disposition)[1]
        if b"name" not in options:
            raise MultipartError("a part has no name")
        filename = options.get(b"filename")
        self.parts.append(
            Part(
                options[b"name"].decode(errors="replace"),
                None if filename is None else filename.decode(errors="replace"),
                b"".join(self._content),
            )
        )

    def _finish(self) -> None:
        self.is_whole = True
