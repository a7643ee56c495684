"""Spans of requests and of batches, by OpenTelemetry, made from times that were taken while they went on."""

import asyncio
import logging
import os
import threading
import time
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import entry_points, version
from typing import TYPE_CHECKING

from opentelemetry.context import Context
from opentelemetry.sdk.resources import (
    SERVICE_INSTANCE_ID,
    SERVICE_NAME,
    SERVICE_VERSION,
    OTELResourceDetector,
    Resource,
)
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from fashion_api.errors import SettingsError
from fashion_api.service.events import PROBES, Batch, RequestEvent, TraceContext, Work

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

logger = logging.getLogger(__name__)

_SCOPE = "fashion_api"
_EXPORTER_VARIABLE = "OTEL_TRACES_EXPORTER"
_EXPORTERS = "opentelemetry_traces_exporter"  # OpenTelemetry's group of entry points
_OTLP = "otlp"
_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"])


class _GivenIds(RandomIdGenerator):
    """Gives the next span the ids that its request was given when it began."""

    def __init__(self) -> None:
        self.trace_id = 0
        self.span_id = 0

    def generate_trace_id(self) -> int:
        given, self.trace_id = self.trace_id, 0
        return given or super().generate_trace_id()

    def generate_span_id(self) -> int:
        given, self.span_id = self.span_id, 0
        return given or super().generate_span_id()


class SpanWriter:
    """Writes a span for each request, those of its steps below it, and one for each batch, with links to its requests.

    A request is sampled as `OTEL_TRACES_SAMPLER` says, a batch where one of its requests is. To be used on one thread.

    Args:
        processor: takes in what is sampled and over.
        close_s: seconds that the last spans have to be sent.
    """

    def __init__(self, processor: SpanProcessor, *, close_s: float = 5.0) -> None:
        self._processor = processor
        self._close_s = close_s
        self._ids = _GivenIds()
        resource = _describe_process()
        provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        self._tracer = provider.get_tracer(_SCOPE)
        provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        provider.add_span_processor(processor)
        self._batch_tracer = provider.get_tracer(_SCOPE)
        self._links: dict[Batch, list[Link]] = {}
        self._batches: list[Batch] = []

    def write(self, events: Sequence[RequestEvent], batches: Sequence[Batch]) -> None:
        """Write the spans of requests that are over, and of batches whose requests all are."""
        for event in events:
            if event.trace is not None and event.trace.span_id is not None and event.route not in PROBES:
                self._write_request(event, event.trace)
            for batch in event.batches:
                batch.under_way -= 1
        self._batches += batches
        whole = [batch for batch in self._batches if not batch.under_way]
        self._batches = [batch for batch in self._batches if batch.under_way]
        offset_ns = time.time_ns() - time.perf_counter_ns()
        for batch in whole:
            if links := self._links.pop(batch, None):
                self._write_batch(batch, links, offset_ns)

    async def aclose(self) -> None:
        """Send what was written, as far as there is time for it."""
        thread = threading.Thread(target=self._processor.shutdown, name="tracing", daemon=True)
        thread.start()
        await asyncio.to_thread(thread.join, self._close_s)
        if thread.is_alive():
            logger.warning("the last spans were not sent within %g s", self._close_s)

    def _write_request(self, event: RequestEvent, trace: TraceContext) -> None:
        end_ns = round(event.ended_at_s * 1e9)
        start_ns = end_ns - round(event.duration_ms * 1e6)
        self._ids.trace_id, self._ids.span_id = int(trace.trace_id, 16), int(trace.span_id or "", 16)
        span = self._tracer.start_span(
            _name_request(event),
            _find_parent(trace),
            kind=SpanKind.SERVER,
            attributes=_describe_request(event),
            start_time=start_ns,
        )
        if not span.is_recording():
            return
        if event.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            span.set_attribute("error.type", event.refusal or str(event.status))
            span.set_status(StatusCode.ERROR)
        if event.work is not None:
            self._write_steps(span, event, event.work, start_ns)
        span.end(end_ns)
        link = Link(span.get_span_context())
        for batch in event.batches:
            self._links.setdefault(batch, []).append(link)

    def _write_steps(self, request: Span, event: RequestEvent, work: Work, start_ns: int) -> None:
        request.set_attributes(
            {
                "fashion.images": work.images,
                "fashion.model.name": work.model.name,
                "fashion.model.version": work.model.version,
            }
        )
        context = set_span_in_context(request, Context())
        computed = {"fashion.batch.images": [batch.images for batch in event.batches]}
        passed_s = work.read_s
        steps: tuple[tuple[str, float, Attributes], ...] = (
            ("decoding", work.decode_s, None),
            ("queue", work.queue_s, None),
            ("compute", work.compute_s, computed),
            ("encoding", work.encode_s, None),
        )
        for name, duration_s, attributes in steps:
            begun_ns = start_ns + round(passed_s * 1e9)
            passed_s += duration_s
            span = self._tracer.start_span(name, context, attributes=attributes, start_time=begun_ns)
            span.end(start_ns + round(passed_s * 1e9))

    def _write_batch(self, batch: Batch, links: Sequence[Link], offset_ns: int) -> None:
        span = self._batch_tracer.start_span(
            "batch",
            Context(),
            attributes={"fashion.batch.images": batch.images},
            links=links,
            start_time=round(batch.started_at * 1e9) + offset_ns,
        )
        span.end(round(batch.ended_at * 1e9) + offset_ns)


def make_processor() -> SpanProcessor | None:
    """Make what sends spans, in a thread of its own: by OTLP over HTTP, or as `OTEL_TRACES_EXPORTER` says.

    Returns:
        `None` where that says `none`.

    Raises:
        SettingsError: that names what is not installed, or another variable cannot be obeyed.
    """
    name = os.environ.get(_EXPORTER_VARIABLE) or _OTLP
    if name == "none":
        return None
    found = list(entry_points(group=_EXPORTERS, name="otlp_proto_http" if name == _OTLP else name))
    if not found:
        raise SettingsError(f"{_EXPORTER_VARIABLE}: there is no exporter {name}; {_OTLP} and console are installed")
    try:
        return BatchSpanProcessor(found[0].load()())
    except ValueError as error:
        raise SettingsError(f"tracing cannot be set up as the OTEL_ variables say: {error}") from error


def _describe_process() -> Resource:
    """Describe who writes the spans; what `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` say comes first."""
    own = {
        SERVICE_NAME: "fashion-api",
        SERVICE_VERSION: version("fashion-api"),
        SERVICE_INSTANCE_ID: str(uuid.uuid4()),
    }
    return Resource.create(own).merge(OTELResourceDetector().detect())


def _name_request(event: RequestEvent) -> str:
    method = event.method if event.method in _METHODS else "HTTP"
    return method if event.route is None else f"{method} {event.route}"


def _describe_request(event: RequestEvent) -> dict[str, str | int]:
    """Describe a request by the conventions for HTTP, but without its path, its query and its caller's address."""
    described: dict[str, str | int] = {
        "http.request.method": event.method if event.method in _METHODS else "_OTHER",
        "http.response.status_code": event.status,
        "url.scheme": event.scheme,
        "fashion.request_id": event.request_id,
    }
    if event.route is not None:
        described["http.route"] = event.route
    if event.key_name is not None:
        described["fashion.key_name"] = event.key_name
    return described


def _find_parent(trace: TraceContext) -> Context:
    if trace.parent_id is None:
        return Context()
    parent = SpanContext(
        int(trace.trace_id, 16),
        int(trace.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(trace.flags),
        trace_state=TraceState.from_header([trace.state]),
    )
    return set_span_in_context(NonRecordingSpan(parent), Context())
