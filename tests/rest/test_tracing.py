"""Spans of requests and of batches, by every door of the app."""

import json
import logging
from collections.abc import Mapping
from itertools import pairwise

import pytest
from opentelemetry.context import attach, detach
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context
from pydantic import SecretStr

from fashion_api.inference.classifier import Classifier
from fashion_api.rest.app import ServiceApp, create_app
from fashion_api.service.spans import SpanWriter
from fashion_api.settings import Settings
from tests.asgi import call, running
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import load_fake_test_set, model_loader
from tests.held import HeldClassifier
from tests.picture_files import grey_png

TRACE_ID, PARENT_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-01", "tracestate": "rojo=00f0,congo=t61rc"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE_ID}-{PARENT_ID}-00"}
STEPS = ["decoding", "queue", "compute", "encoding"]
INDEX = "/api/v1/test-images/{index}/prediction"


class Traced:
    """An app whose spans are kept."""

    def __init__(self, classifier: Classifier | None = None, *, has_fast_path: bool = True, **changes: object) -> None:
        self._exporter = InMemorySpanExporter()
        self.app: ServiceApp = create_app(
            Settings(_env_file=None).model_copy(update={"tracing": True, **changes}),
            load_model=model_loader(classifier),
            load_test_set=load_fake_test_set,
            start_tracing=lambda _: SpanWriter(SimpleSpanProcessor(self._exporter)),
        )
        if not has_fast_path:
            self.app.operations = ()

    @property
    def spans(self) -> list[ReadableSpan]:
        """What was written so far."""
        return list(self._exporter.get_finished_spans())

    def list_named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Mapping[str, str]:
        """Send one request, from the start of the service to its end; gives the headers of the answer."""
        answered: dict[str, str] = {}

        async def test() -> None:
            async with running(self.app):
                made = call(self.app, method, target, headers, body=body)
                await made.read_answer()
                answered.update(made.raw_headers)

        run(test)
        return answered


def read_attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def read_ids(span: ReadableSpan) -> tuple[str, str]:
    """The ids of the trace and of the span."""
    context = span.get_span_context()
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def read_parent_id(span: ReadableSpan) -> str | None:
    return None if span.parent is None else f"{span.parent.span_id:016x}"


FORM = (
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="secret-name.png"\r\n\r\n%s\r\n--x--\r\n'
) % grey_png()
TWO_IMAGES = json.dumps({"images": [[[0] * 28] * 28] * 2}).encode()
JSON = {"content-type": "application/json"}
REQUESTS = {
    "index": ("GET", INDEX, "/api/v1/test-images/3/prediction?secret=1", {}, b"", 1),
    "upload": (
        "POST",
        "/api/v1/predictions/upload",
        "/api/v1/predictions/upload",
        {"content-type": "multipart/form-data; boundary=x"},
        FORM,
        1,
    ),
    "batch": ("POST", "/api/v1/predictions", "/api/v1/predictions", JSON, TWO_IMAGES, 2),
}


@pytest.mark.parametrize("has_fast_path", [True, False], ids=["fast path", "routes"])
@pytest.mark.parametrize("kind", REQUESTS)
def test_prediction_has_a_span_for_each_step(kind: str, *, has_fast_path: bool) -> None:
    """A prediction is a span of the server's, with one below it for each step, one after the other, within its time."""
    method, route, target, headers, body, images = REQUESTS[kind]
    traced = Traced(has_fast_path=has_fast_path)
    traced.ask(method, target, headers, body)
    (request,) = traced.list_named(f"{method} {route}")
    steps = [span for name in STEPS for span in traced.list_named(name)]
    (batch,) = traced.list_named("batch")
    assert len(traced.spans) == 6
    assert (request.kind, request.parent, request.status.status_code) == (SpanKind.SERVER, None, StatusCode.UNSET)
    request_id = read_attributes(request).pop("fashion.request_id")
    assert read_attributes(request) == {
        "http.request.method": method,
        "http.route": route,
        "http.response.status_code": 200,
        "url.scheme": "http",
        "fashion.request_id": request_id,
        "fashion.images": images,
        "fashion.model.name": "fake",
        "fashion.model.version": "0123456789ab",
    }
    assert [read_parent_id(span) for span in steps] == [read_ids(request)[1]] * 4
    assert {read_ids(span)[0] for span in steps} == {read_ids(request)[0]}
    assert all(one.end_time == next_one.start_time for one, next_one in pairwise(steps))
    times = [request.start_time, *(span.start_time for span in steps), steps[-1].end_time, request.end_time]
    assert times == sorted(times, key=lambda time: time or 0)
    assert read_attributes(steps[2]) == {"fashion.batch.images": (images,)}
    assert read_attributes(batch) == {"fashion.batch.images": images}
    assert [link.context.span_id for link in batch.links] == [int(read_ids(request)[1], 16)]
    assert (batch.parent, read_ids(batch)[0] != read_ids(request)[0]) == (None, True)


@pytest.mark.parametrize("has_fast_path", [True, False], ids=["fast path", "routes"])
@pytest.mark.parametrize(
    ("method", "target", "name", "status", "error"),
    [
        ("GET", "/api/v1/test-images/3/prediction", f"GET {INDEX}", 503, "overloaded"),
        ("GET", "/api/v1/test-images/99/prediction", f"GET {INDEX}", 503, "overloaded"),
        ("GET", "/api/v1/test-images/99", "GET /api/v1/test-images/{index}", 404, None),
        ("PUT", "/api/v1/predictions", "PUT /api/v1/predictions", 405, None),
        ("GET", "/secret/place", "GET", 404, None),
        ("SECRET", "/secret/place", "HTTP", 404, None),
    ],
)
def test_refusal_is_one_span(  # noqa: PLR0913  # a request, and what is expected of it
    method: str, target: str, name: str, status: int, error: str | None, *, has_fast_path: bool
) -> None:
    """A request that is refused has a span with its status, and the kind of error where that is the service's own."""
    traced = Traced(has_fast_path=has_fast_path, max_queue_size=0)
    traced.ask(method, target)
    (span,) = traced.spans
    attributes = read_attributes(span)
    assert span.name == name
    assert attributes["http.response.status_code"] == status
    assert attributes["http.request.method"] == (method if method != "SECRET" else "_OTHER")
    assert attributes.get("error.type") == error
    assert span.status.status_code == (StatusCode.ERROR if error else StatusCode.UNSET)


def test_refusal_without_a_key_is_one_span() -> None:
    """A request without a key is traced as every other."""
    traced = Traced(api_keys=(SecretStr("key"),))
    traced.ask("GET", "/api/v1/test-images/3/prediction")
    assert [read_attributes(span)["http.response.status_code"] for span in traced.spans] == [401]


@pytest.mark.parametrize("has_fast_path", [True, False], ids=["fast path", "routes"])
def test_span_is_in_the_trace_of_its_caller(caplog: pytest.LogCaptureFixture, *, has_fast_path: bool) -> None:
    """A request is a child of its caller's span, with its trace state; answer and log name the same trace."""
    caplog.set_level(logging.INFO)
    traced = Traced(has_fast_path=has_fast_path)
    answered = traced.ask("GET", "/api/v1/test-images/3/prediction", SAMPLED)
    (request,) = traced.list_named(f"GET {INDEX}")
    trace_id, span_id = read_ids(request)
    context = request.get_span_context()
    assert context is not None
    assert (trace_id, read_parent_id(request)) == (TRACE_ID, PARENT_ID)
    assert request.parent is not None
    assert request.parent.is_remote
    assert context.trace_state.to_header() == SAMPLED["tracestate"]
    assert answered["traceresponse"] == f"00-{TRACE_ID}-{span_id}-01"
    assert [event.trace.trace_id for record in caplog.records for event in getattr(record, "requests", [])] == [
        TRACE_ID
    ]


def test_trace_that_begins_here_is_in_answer_and_log(caplog: pytest.LogCaptureFixture) -> None:
    """A request without a trace begins one, which its answer and its line name."""
    caplog.set_level(logging.INFO)
    traced = Traced()
    answered = traced.ask("GET", "/api/v1/test-images/3/prediction")
    trace_id, span_id = read_ids(traced.list_named(f"GET {INDEX}")[0])
    assert answered["traceresponse"] == f"00-{trace_id}-{span_id}-02"
    logged = [event.trace.trace_id for record in caplog.records for event in getattr(record, "requests", [])]
    assert logged == [trace_id]


@pytest.mark.parametrize(
    ("sampler", "headers", "is_sampled"),
    [
        (None, SAMPLED, True),
        (None, NOT_SAMPLED, False),
        (None, {}, True),
        ("always_off", SAMPLED, False),
        ("parentbased_always_off", {}, False),
        ("parentbased_always_off", SAMPLED, True),
        ("parentbased_always_off", NOT_SAMPLED, False),
    ],
)
def test_request_is_sampled_as_its_caller_or_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, sampler: str | None, headers: Mapping[str, str], *, is_sampled: bool
) -> None:
    """The caller's flag decides, and for other requests `OTEL_TRACES_SAMPLER`; all spans are there, or none is."""
    if sampler is not None:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    traced = Traced()
    traced.ask("GET", "/api/v1/test-images/3/prediction", headers)
    assert len(traced.spans) == (6 if is_sampled else 0)


def test_requests_of_a_batch_are_its_links() -> None:
    """A batch has one span, with a link to each of its requests that is sampled."""
    classifier = HeldClassifier()
    traced = Traced(classifier, request_timeout_s=1000.0)

    async def test() -> None:
        async with running(traced.app):
            first = call(traced.app, "GET", "/api/v1/test-images/1/prediction", NOT_SAMPLED)
            await classifier.wait_until_entered()
            others = [
                call(traced.app, "GET", f"/api/v1/test-images/{index}/prediction", headers)
                for index, headers in ((2, SAMPLED), (3, NOT_SAMPLED), (4, None))
            ]
            await turn_over()
            classifier.release()
            assert [(await each.read_answer()).status for each in (first, *others)] == [200] * 4

    run(test)
    assert classifier.batches == [[1], [2, 3, 4]]
    (batch,) = traced.list_named("batch")
    requests = traced.list_named(f"GET {INDEX}")
    assert read_attributes(batch)["fashion.batch.images"] == 3
    assert {(link.context.trace_id, link.context.span_id) for link in batch.links} == {
        (int(trace_id, 16), int(span_id, 16)) for trace_id, span_id in map(read_ids, requests)
    }
    assert len(requests) == 2


def test_request_of_several_batches_is_a_link_of_each() -> None:
    """A request that is split is linked by every batch, and its computing says how large they were."""
    traced = Traced(max_batch_size=1)
    traced.ask("POST", "/api/v1/predictions", JSON, TWO_IMAGES)
    (request,) = traced.list_named("POST /api/v1/predictions")
    batches = traced.list_named("batch")
    assert [[link.context.span_id for link in batch.links] for batch in batches] == [
        [int(read_ids(request)[1], 16)]
    ] * 2
    assert read_attributes(traced.list_named("compute")[0]) == {"fashion.batch.images": (1, 1)}


def test_batch_that_outlasts_its_requests_has_its_span() -> None:
    """Where a request is over before its batch is, the batch is written when it is over too."""
    classifier = HeldClassifier()
    traced = Traced(classifier, request_timeout_s=1.0)

    async def test() -> None:
        async with running(traced.app):
            late = call(traced.app, "GET", "/api/v1/test-images/1/prediction")
            await classifier.wait_until_entered()
            await put_clock_forward(1.5)
            assert (await late.read_answer()).status == 504
            traced.app.request_log.flush()
            assert [span.name for span in traced.spans] == [f"GET {INDEX}"]
            classifier.release()

    run(test)
    (batch,) = traced.list_named("batch")
    assert [link.context.span_id for link in batch.links] == [int(read_ids(traced.spans[0])[1], 16)]
    assert (batch.end_time or 0) > (batch.start_time or 0)


def test_images_of_no_request_are_not_traced() -> None:
    """A batch that the service computes for itself has no span."""
    traced = Traced()

    async def test() -> None:
        async with running(traced.app) as service:
            await service.batcher.classify(service.get_test_set().images[:2])
            service.count([])

    run(test)
    assert traced.spans == []


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_not_traced(path: str) -> None:
    """What machines ask every few seconds has no spans."""
    traced = Traced()
    traced.ask("GET", path)
    assert traced.spans == []


def test_nothing_that_a_caller_has_written_is_in_a_span() -> None:
    """Neither paths and queries, nor names of files, keys, methods or other headers are in a span."""
    traced = Traced(api_keys=(SecretStr("secret-key"),))
    secrets = {"x-api-key": "secret-key", "user-agent": "secret-agent", "cookie": "secret=1", "host": "secret.example"}

    async def test() -> None:
        async with running(traced.app):
            for method, _, target, headers, body, _ in REQUESTS.values():
                await call(traced.app, method, target, {**headers, **secrets}, body=body).read_answer()
            for path in ("/secret/place", "/static-docs/secret", "/api/v1/test-images/secret/prediction"):
                await call(traced.app, "SECRET", path, secrets).read_answer()

    run(test)
    assert len(traced.spans) > 6
    assert "secret" not in "".join(span.to_json().lower() for span in traced.spans)


def test_span_of_a_host_is_no_parent() -> None:
    """Where another app that has spans of its own has this one mounted, what counts is what the caller has sent."""
    traced = Traced()
    host = TracerProvider(shutdown_on_exit=False).get_tracer("host").start_span("host")
    token = attach(set_span_in_context(host))
    try:
        traced.ask("GET", "/api/v1/test-images/3/prediction")
    finally:
        detach(token)
    assert traced.list_named(f"GET {INDEX}")[0].parent is None
