"""Whether requests are traced, and where their spans go."""

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fashion_api.errors import SettingsError
from fashion_api.service.events import Batch, RequestEvent, TraceContext, Work
from fashion_api.service.spans import SpanWriter
from fashion_api.service.tracing import INSTALL_OPENTELEMETRY, check_tracing, start_tracing
from fashion_api.settings import Settings
from tests.asgi import running
from tests.clock import run
from tests.fakes import fake_app, fake_model

TRACING = Settings(_env_file=None, tracing=True)


@pytest.mark.parametrize("module", ["opentelemetry.sdk", "opentelemetry.exporter.otlp.proto"])
def test_missing_package_stops_the_start(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Where the extra is not installed, tracing is refused in one line that names the setting and what to install."""
    for name in [name for name in sys.modules if name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SettingsError) as caught:
        check_tracing(TRACING)
    assert str(caught.value) == f"FASHION_TRACING: OpenTelemetry is not installed: {INSTALL_OPENTELEMETRY}"
    with pytest.raises(SettingsError):
        fake_app(tracing=True)
    fake_app(tracing=False)


def test_exporter_that_is_not_installed_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A name in `OTEL_TRACES_EXPORTER` that nothing installed knows stops the start with one line."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "pigeon")
    message = "OTEL_TRACES_EXPORTER: there is no exporter pigeon"

    async def test() -> None:
        with pytest.raises(SettingsError, match=message):
            async with running(fake_app(tracing=True)):
                pass

    run(test)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith(f"cannot start: {message}")


def test_variable_that_cannot_be_obeyed_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that OpenTelemetry refuses is an error of the settings, not a traceback."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with pytest.raises(SettingsError, match="as the OTEL_ variables say: max_queue_size must be"):
        start_tracing(TRACING)


def test_exporter_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_TRACES_EXPORTER=none` writes no spans."""
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    assert start_tracing(TRACING) is None


TRACE = TraceContext("a" * 32, None, 2, "", "b" * 16)
EVENT = RequestEvent(1000.0, "GET", "/predict", 200, 1.0, "id", trace=TRACE)


def test_service_is_named_as_the_variables_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans name the service and its process; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come first."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    exporter = InMemorySpanExporter()
    SpanWriter(SimpleSpanProcessor(exporter)).write([EVENT], [])
    (span,) = exporter.get_finished_spans()
    described = span.resource.attributes
    assert (described["service.name"], described["deployment.environment.name"]) == ("shop", "test")
    assert {"service.version", "service.instance.id"} <= set(described)
    monkeypatch.delenv("OTEL_SERVICE_NAME")
    SpanWriter(SimpleSpanProcessor(exporter)).write([EVENT], [])
    other = exporter.get_finished_spans()[1].resource.attributes
    assert other["service.name"] == "fashion-api"
    assert other["service.instance.id"] != described["service.instance.id"]


def test_times_are_those_of_the_day() -> None:
    """Spans begin and end when requests and batches did, though batches are timed by another clock."""
    exporter = InMemorySpanExporter()
    now = time.time()
    batch = Batch(time.perf_counter())
    batch.ended_at = batch.started_at + 0.5
    batch.under_way = 1
    SpanWriter(SimpleSpanProcessor(exporter)).write([EVENT._replace(ended_at_s=now, batches=[batch])], [batch])
    request, computed = exporter.get_finished_spans()
    assert request.end_time == round(now * 1e9)
    assert request.end_time - (request.start_time or 0) == 1_000_000
    assert abs((computed.start_time or 0) / 1e9 - now) < 60
    assert (computed.end_time or 0) - (computed.start_time or 0) == pytest.approx(5e8)


def test_steps_take_the_times_that_were_measured() -> None:
    """Each step has a span that begins where the one before it ended, the first when the body was whole."""
    exporter = InMemorySpanExporter()
    work = Work(fake_model(), 1, None, 0.001, 0.002, 0.003, 0.004, 0.005)
    SpanWriter(SimpleSpanProcessor(exporter)).write([EVENT._replace(duration_ms=16.0, work=work)], [])
    begun_ns = 1_000_000_000_000 - 16_000_000
    assert [
        (span.name, (span.start_time or 0) - begun_ns, (span.end_time or 0) - begun_ns)
        for span in exporter.get_finished_spans()
    ] == [
        ("decoding", 1_000_000, 3_000_000),
        ("queue", 3_000_000, 6_000_000),
        ("compute", 6_000_000, 10_000_000),
        ("encoding", 10_000_000, 15_000_000),
        ("GET /predict", 0, 16_000_000),
    ]


def test_disabled_sdk_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """`OTEL_SDK_DISABLED=true` writes no spans."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    exporter = InMemorySpanExporter()
    SpanWriter(SimpleSpanProcessor(exporter)).write([EVENT], [])
    assert exporter.get_finished_spans() == ()


class StuckProcessor(SpanProcessor):
    """Does not end until the test lets it."""

    def __init__(self) -> None:
        self.may_go = threading.Event()

    def shutdown(self) -> None:
        self.may_go.wait()


def test_stopping_does_not_wait_for_a_collector(caplog: pytest.LogCaptureFixture) -> None:
    """Where the last spans cannot be sent in time, the service stops all the same, and says so in one line."""
    processor = StuckProcessor()
    asyncio.run(SpanWriter(processor, close_s=0.01).aclose())
    processor.may_go.set()
    assert [record.getMessage() for record in caplog.records] == ["the last spans were not sent within 0.01 s"]


def test_without_tracing_opentelemetry_is_not_imported() -> None:
    """A service that does not trace imports nothing of the extra, and answers; the bare API comes with FastAPI."""
    script = """
import asyncio, sys
from tests.asgi import ask, running
from tests.fakes import fake_app

async def main():
    app = fake_app()
    async with running(app):
        headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
        return (await ask(app, "GET", "/api/v1/test-images/3/prediction", headers)).status

extra = ("opentelemetry.sdk", "opentelemetry.exporter")
print(asyncio.run(main()), *(name for name in sys.modules if name.startswith(extra)))
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert done.stdout == "200\n"
