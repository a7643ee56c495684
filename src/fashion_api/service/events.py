"""What became of requests: noted as it happens, counted and logged together a moment later."""

from collections.abc import Sequence
from typing import NamedTuple

from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel

PROBES = frozenset(
    [
        "/livez",
        "/readyz",
        "/v2/health/live",
        "/v2/health/ready",
        "/grpc.health.v1.Health/Check",
        "/inference.GRPCInferenceService/ServerLive",
        "/inference.GRPCInferenceService/ServerReady",
    ]
)
"""Routes that machines ask every few seconds: they are logged at level debug, and not traced."""


class Batch:
    """Images that were computed together."""

    __slots__ = ("ended_at", "images", "started_at", "under_way")

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        """`time.perf_counter()` when it began."""
        self.ended_at = 0.0
        """The same when it was computed."""
        self.images = 0
        self.under_way = 0
        """Requests with images in it whose events are still to come."""


class TraceContext(NamedTuple):
    """The place of a request in a trace (https://www.w3.org/TR/trace-context/); ids are in hexadecimal digits."""

    trace_id: str
    parent_id: str | None
    """The caller's span; `None` where the trace begins here."""
    flags: int
    """Those of `traceparent` that are known; in a trace that begins here, those of its id."""
    state: str
    """The caller's `tracestate`, as it is."""
    span_id: str | None = None
    """The request's own span; `None` where it has none, as nothing is traced."""


class Work(NamedTuple):
    """What the service did for a request that was predicted; durations are in seconds."""

    model: LoadedModel
    images: int
    """How many were computed."""
    predictions: Predictions | None
    """What was answered; `None` where the images were made for another purpose, as for explanations."""
    read_s: float
    """From the head to the whole body."""
    decode_s: float
    """From the whole body to pixels."""
    queue_s: float
    """From the batcher's queue to its first batch."""
    compute_s: float
    """From its first batch to the answer."""
    encode_s: float
    """From the answer to the reply's bytes."""


class RequestRecord:
    """What becomes of one request that is under way, for the log, the metrics and errors."""

    __slots__ = (
        "batches",
        "client",
        "key_name",
        "refusal",
        "request_id",
        "route",
        "started_at",
        "status",
        "trace",
        "work",
    )

    def __init__(self, request_id: str, *, started_at: float = 0.0, trace: TraceContext | None = None) -> None:
        self.request_id = request_id
        self.started_at = started_at
        """`time.perf_counter()` when its head was there."""
        self.trace = trace
        """Its place in a trace, if it has one."""
        self.route: str | None = None
        """The template of its route, once it is found."""
        self.status = 0
        """Of its response; 0 until that has started."""
        self.refusal: str | None = None
        """The kind of problem, where the service refuses it."""
        self.key_name: str | None = None
        """What the API key is called that its caller has shown."""
        self.client = ""
        """Whose images they are, where those are limited."""
        self.work: Work | None = None
        """What was done for it."""
        self.batches: list[Batch] = []
        """Those that some of its images were computed in."""


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
    trace: TraceContext | None = None
    """`None` where the caller has named none, and nothing is traced."""
    key_name: str | None = None
    """The name of the API key that was shown; `None` where keys have no names, or none was needed."""
    scheme: str = "http"
    batches: Sequence[Batch] = ()
    """Those that some of its images were computed in."""
