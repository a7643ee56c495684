"""Parses JSON bodies."""

import re
from collections.abc import Generator

import numpy as np
import orjson
from pydantic_core import from_json

from fashion_api.errors import UnsupportedMediaTypeError
from fashion_api.wire.operation import RequestHead
from fashion_api.wire.validation import wrong

JSON = "application/json"
"""The media type of JSON."""

_OTHER_JSON = re.compile(r"application/[\w.+-]+\+json")
UNCOUNTED_BYTES = 16 * 1024
"""A body up to this size is parsed in a few milliseconds, whatever it holds."""
_COUNTED_BYTES = 256 * 1024
"""How much of a larger body is counted in a step."""
_OTHER_VALUES = 1000
"""How many lists and values there may be in fields that are not read, at least."""

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def check_json(head: RequestHead) -> None:
    """Check that a request says that its body is JSON.

    Raises:
        UnsupportedMediaTypeError: it says otherwise.
    """
    media_type = head.read_media_type()
    if media_type != JSON and not _OTHER_JSON.fullmatch(media_type):
        raise UnsupportedMediaTypeError(f"the body must be JSON, with Content-Type: {JSON}")


def read_json(body: bytes, *, max_lists: int, max_values: int) -> Generator[None, None, object]:
    """Parse a body of JSON, in steps; the way for every protocol to read one.

    Parsing is one step: without the limits, 10 MB of empty lists would hold up all other requests for a second.

    Args:
        body: as it was sent.
        max_lists: the most lists and objects that a good request has.
        max_values: the most values that they hold.

    Raises:
        InvalidRequestError: the body is not JSON, or holds more than twice as much.
    """
    if len(body) > UNCOUNTED_BYTES:
        yield from _check_amount(
            body, max_brackets=2 * max_lists + _OTHER_VALUES, max_commas=2 * max_values + _OTHER_VALUES
        )
    return parse_json(body)


def _check_amount(body: bytes, *, max_brackets: int, max_commas: int) -> Generator[None, None, None]:
    brackets = commas = 0
    codes = np.frombuffer(body, np.uint8)  # counts several times as fast as bytes.count
    for start in range(0, len(body), _COUNTED_BYTES):
        part = codes[start : start + _COUNTED_BYTES]
        commas += int(np.count_nonzero(part == ord(",")))
        brackets += int(np.count_nonzero(part | 0x20 == ord("{")))  # the two kinds differ by this bit
        if brackets > max_brackets or commas > max_commas:
            raise wrong("", "the body holds far more lists or values than one request may")
        yield


def refuse_mark(body: bytes) -> None:
    """Refuse a body that begins with a byte-order mark, which `parse_json` skips.

    Raises:
        InvalidRequestError: it does.
    """
    if body.startswith(_UTF8_MARK):
        raise wrong("", "the body begins with a byte-order mark; JSON is sent without one")


def may_hold_booleans(body: bytes) -> bool:
    """Tell whether there may be booleans in those lists of a body of JSON that are within other lists."""
    # A list of pictures in base64 has no list in it, and is not searched. Single letters are found forty times as fast
    # as words, and rows of numbers have neither of these two.
    span = body.find(b"[", body.find(b"[") + 1), body.rfind(b"]")
    return (body.find(b"r", *span) >= 0 or body.find(b"l", *span) >= 0) and (b"true" in body or b"false" in body)


def parse_json(body: bytes) -> object:
    """Parse a small body of JSON; accepts NaN and Infinity too, so that a validator can refuse them where they stand.

    Raises:
        InvalidRequestError: the body is not JSON; says in which line and column it stops being JSON.
    """
    body = body.removeprefix(_UTF8_MARK)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        _check_encoding(body)  # pydantic's parser, below, takes twice as long, but knows NaN and the place of an error
    try:
        return from_json(body, allow_inf_nan=True)
    except ValueError as error:
        what, _, place = str(error).rpartition(" at ")
        fault = "has too many brackets within one another" if "recursion" in what else "is not JSON"
        raise wrong("", f"the body {fault}: see {place}") from None


def _check_encoding(body: bytes) -> None:
    """Refuse a body in another encoding than UTF-8: JSON begins with ASCII, and has no NUL."""
    start = body[:4]
    if start.startswith(_UTF16_MARKS) or b"\0" in start:
        raise wrong("", "the body is in UTF-16 or UTF-32; JSON is sent in UTF-8")
