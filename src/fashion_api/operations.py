"""The routes that are called most, as they are whoever carries the request here: the app, or the protocol below it.

An `Operation` is all that such a route means. `dependencies.answer` carries requests to it that come through the app,
`exchange.Exchange` those that are answered below it (docs/adr/0007); nothing of what is answered is said in either.
"""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl

from fashion_api.inference.classifier import Images, Predictions

if TYPE_CHECKING:
    from fashion_api.dependencies import Service

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in lower case, and values."""

LARGE_BODY_BYTES = 64 * 1024
"""Decoding more than this would hold up the event loop for milliseconds: a thread does it."""


class Question(NamedTuple):
    """A request but for its body."""

    parameter: str
    """What the path has in place of the template's parameter."""
    query: bytes
    headers: Headers

    def read_query(self) -> dict[str, str]:
        """Give the query's parameters; of one that stands there several times, the last."""
        if not self.query:
            return {}
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))


class Inquiry(NamedTuple):
    """What is to be classified, and how its answer is written."""

    images: Images
    write: Callable[[Predictions], bytes]
    """Gives the answer's body, in JSON."""


class Answer(NamedTuple):
    """A response; who carries it adds the date and the request's id."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    """Those besides the body's length and type; names in lower case."""


class Operation(NamedTuple):
    """A route: what is asked, and how it is answered."""

    method: str
    path: str
    """Its template; with a parameter at most, as in `/things/{name}`."""
    read: Callable[["Service", Question, bytes], Inquiry]
    """Reads a request and its body; raises what is wrong with them. Blocks, and may be called in a thread."""
    check: Callable[[Question], None] | None = None
    """Raises what is wrong with a request already before its body is there; `None` for one that takes no body."""


def find_header(headers: Headers, name: bytes) -> str:
    """Give the first header of this name (in lower case), or nothing."""
    for key, value in headers:
        if key == name:
            return value.decode("latin-1")
    return ""


class OperationTable:
    """Finds the operation that a request is for."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_method: dict[bytes, list[tuple[Callable[[bytes], re.Match[bytes] | None], Operation]]] = {}
        for operation in operations:
            pattern = re.compile(re.sub(r"\\{\w+\\}", r"([0-9]+)", re.escape(operation.path)).encode())
            self._by_method.setdefault(operation.method.encode(), []).append((pattern.fullmatch, operation))

    def find(self, method: bytes, path: bytes) -> tuple[Operation, str] | None:
        """Give the operation and the path's parameter; `None` for any other path, and for one that is not plain.

        Plain is a parameter of digits; whatever else it may be, the app's router is left to say.
        """
        for match, operation in self._by_method.get(method, ()):
            if found := match(path):
                return operation, found[1].decode() if found.re.groups else ""
        return None
