"""What became of requests: noted as it happens, counted and logged together a moment later."""

from typing import NamedTuple

from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel


class Work(NamedTuple):
    """What the service did for a request that was predicted; durations are in seconds."""

    model: LoadedModel
    images: int
    """How many were computed."""
    predictions: Predictions | None
    """What was answered; `None` where the images were made for another purpose, as for explanations."""
    decode_s: float
    """From the whole body to pixels."""
    queue_s: float
    """From the batcher's queue to its first batch."""
    compute_s: float
    """From its first batch to the answer."""
    encode_s: float
    """From the answer to the reply's bytes."""


class RequestEvent(NamedTuple):
    """A request that is over."""

    ended_at_s: float
    """Seconds since 1970."""
    method: str
    route: str | None
    """The route's template; `None` where there is no such route."""
    status: int
    duration_ms: float
    request_id: str
    refusal: str | None = None
    """The kind of problem, where the service refused a request that another time, or with a key, it would answer."""
    work: Work | None = None
    trace_id: str | None = None
    """That of the caller's trace (W3C Trace Context)."""
