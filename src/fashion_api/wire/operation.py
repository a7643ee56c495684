"""What a request means, whoever carries it: its head and body in, a job for the classifier out, a reply back.

An `Operation` is one route of a protocol. It knows no web framework and no socket. Carriers (`fashion_api.rest`) find
the operation of a request, read the body, have the job's images classified, and send the reply.
"""

import math
from collections.abc import Callable, Generator, Sequence
from typing import Final, Generic, Literal, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.service.service import Service

T = TypeVar("T")
ReplyT = TypeVar("ReplyT")

Headers = Sequence[tuple[bytes, bytes]]
"""Names, in lower case, and values."""


class RequestHead(NamedTuple):
    """A request without its body."""

    parameters: tuple[str, ...]
    """The parts of the path that stand for the template's parameters, percent-decoded, in their order."""
    query: bytes
    headers: Headers

    def read_query(self) -> dict[str, str]:
        """Give the query's parameters; of one that is repeated, the last."""
        if not self.query:
            return {}
        return dict(parse_qsl(self.query.decode("latin-1"), keep_blank_values=True))

    def find_header(self, name: bytes) -> str:
        """Give the first header of this name (in lower case), or an empty text."""
        for key, value in self.headers:
            if key == name:
                return value.decode("latin-1").strip()
        return ""

    def read_media_type(self) -> str:
        """Give the body's media type, in lower case and without parameters; empty where none is said."""
        return self.find_header(b"content-type").partition(";")[0].strip().lower()


NO_STORE = (b"cache-control", b"no-store")
"""The header of a reply that nobody may keep."""


class Reply(NamedTuple):
    """A response; the carrier adds the request's id and what its protocol wants."""

    status: int
    media_type: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = (NO_STORE,)
    """Those besides the body's length and type; names in lower case."""


class Job(NamedTuple, Generic[ReplyT]):
    """Images to classify, and how their predictions are written."""

    images: Images
    """uint8[n, height, width], or uint8[n, height, width, 3]; n is at least 1."""
    write: Callable[[Predictions], ReplyT]
    timeout_s: float = math.inf
    """Seconds from the request's head on, where its caller wants an answer sooner than the service's settings say."""


LONG: Final = True
Step = Literal[True] | None
"""What a step of decoding gives: `LONG` where the next one decodes a picture of any size, which may take half a second
and 280 MB."""

JobSteps = Generator[Step, None, Job[Reply]]
"""Decoding in steps that end with the job; between two steps, other requests may be served."""


class Operation(NamedTuple):
    """One route: which requests it takes, and how they are read."""

    method: str
    path: str
    """Its template, as in `/things/{name}`."""
    read: Callable[[Service, RequestHead, bytes], Job[Reply] | JobSteps]
    """Reads a request and its body; raises a `FashionError` that says what is wrong with them."""
    check: Callable[[RequestHead], None] | None = None
    """Raises what is wrong with a request before its body is read; `None` for a request without a body."""
    is_prediction: bool = True
    """Whether the images are the caller's, so that their predictions count in the metrics."""
    ignores_case: bool = False
    """Whether the path is matched without regard to case."""


def accept_any_type(_head: RequestHead) -> None:
    """Let a request pass whatever it says of its body, as `curl -d` says of any that it is a form."""


def finish_steps(steps: Generator[Step, None, T]) -> T:
    """Run all steps at once."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: T = end.value
            return found


def stop_before_long(steps: Generator[Step, None, T]) -> Generator[None, None, T | None]:
    """Run steps up to a long one, which is left to the caller; gives `None` then."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            found: T = end.value
            return found
        if step is LONG:
            return None
        yield
