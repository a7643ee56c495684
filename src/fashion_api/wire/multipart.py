"""Reads `multipart/form-data` (RFC 7578) with python-multipart."""

import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_to_bytes

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from fashion_api.errors import InvalidRequestError
from fashion_api.wire.validation import wrong

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks  # exists for type checkers only

_STEP_BYTES = 8 * 1024
_WHOLE_BYTES = 64 * 1024
"""A body up to this size is parsed in one step."""
_EXTENDED_FILENAME = re.compile(
    rb";[ \t]*filename\*[ \t]*=[ \t]*\"?(utf-8|iso-8859-1)'[^';]*'([^;\"\s]*)", re.IGNORECASE
)


class Part(NamedTuple):
    """One part of a form."""

    name: str
    filename: str | None
    """`None` for a text field."""
    content: bytes


def read_parts(body: bytes, content_type: str, *, max_parts: int) -> Generator[None, None, list[Part]]:
    """Read the parts of a form, in their order; a large body a few kilobytes at a step.

    Raises:
        InvalidRequestError: the boundary is missing, the body does not fit it, a part has no name, or there are more
            than `max_parts`.
    """
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise _make_error("its Content-Type has no boundary")
    collector = _Collector(max_parts)
    try:
        parser = MultipartParser(boundary, collector.get_callbacks())
        if len(body) <= _WHOLE_BYTES:
            parser.write(body)
        else:
            for start in range(0, len(body), _STEP_BYTES):
                parser.write(body[start : start + _STEP_BYTES])
                yield
    except FormParserError:
        raise _make_error("it does not fit its boundary") from None
    if not collector.is_complete:
        raise _make_error("it is cut short")
    return collector.parts


def _make_error(reason: str) -> InvalidRequestError:
    return wrong("", f"the multipart body cannot be read: {reason}")


def _read_filename(disposition: bytes, options: Mapping[bytes, bytes]) -> str | None:
    """Give a part's file name; `filename*` (RFC 8187), which forms must not have, where it is the only one."""
    plain = options.get(b"filename")
    if plain is not None:
        return plain.decode(errors="replace")
    match = _EXTENDED_FILENAME.search(disposition)
    return unquote_to_bytes(match[2]).decode(match[1].decode(), errors="replace") if match else None


class _Collector:
    """Collects the parts that the parser finds."""

    __slots__ = ("_chunks", "_disposition", "_header_name", "_header_value", "_max_parts", "is_complete", "parts")

    def __init__(self, max_parts: int) -> None:
        self.parts: list[Part] = []
        self.is_complete = False
        self._max_parts = max_parts
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""
        self._chunks: list[bytes] = []

    def get_callbacks(self) -> "MultipartCallbacks":
        """Give the parser's callbacks."""
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_header_name,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        if len(self.parts) == self._max_parts:
            raise _make_error(f"it has more than {self._max_parts} parts")
        self._disposition = b""
        self._chunks = []

    def _add_header_name(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._chunks.append(data[start:end])

    def _end_part(self) -> None:
        options = parse_options_header(self._disposition)[1]
        name = options.get(b"name")
        if name is None:
            raise _make_error("a part has no name")
        chunks = self._chunks
        self.parts.append(
            Part(
                name.decode(errors="replace"),
                _read_filename(self._disposition, options),
                chunks[0] if len(chunks) == 1 else b"".join(chunks),
            )
        )

    def _end(self) -> None:
        self.is_complete = True
