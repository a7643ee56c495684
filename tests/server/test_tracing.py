"""Spans that a service sends to a collector, and what becomes of it where there is none."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fashion_api.cli.main import run
from fashion_api.service.tracing import INSTALL_OPENTELEMETRY
from tests.raw_http import LIMIT_S
from tests.server.service_process import ask, connect, get, serve
from tests.servers import ASGI_SERVERS, find_free_port, serve_app

pytestmark = pytest.mark.services

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

PREDICTION = "/api/v1/test-images/3/prediction"
REQUEST = "GET /api/v1/test-images/{index}/prediction"
STEPS = ["decoding", "queue", "compute", "encoding"]


class Collector:
    """Takes spans in, by OTLP over HTTP, when the test lets it."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []
        self.has_been_asked = threading.Event()
        self.may_answer = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.has_been_asked.set()
                collector.may_answer.wait()
                if self.path == "/v1/traces":
                    collector.received += ExportTraceServiceRequest.FromString(body).resource_spans
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parent's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def list_processes(self) -> set[tuple[str, str]]:
        """The service and the process of each that has sent spans."""
        described = [
            {attribute.key: attribute.value.string_value for attribute in each.resource.attributes}
            for each in self.received
        ]
        return {(each["service.name"], each["service.instance.id"]) for each in described}

    def list_names(self) -> list[str]:
        """The names of all spans."""
        return sorted(
            span.name for each in self.received for scope_spans in each.scope_spans for span in scope_spans.spans
        )


@contextmanager
def collect() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()
    thread = threading.Thread(target=collector.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield collector
    finally:
        collector.may_answer.set()
        collector.server.shutdown()
        collector.server.server_close()
        thread.join()


def test_every_worker_sends_its_spans() -> None:
    """While the collector stands still, requests are answered; all their spans are sent before the service ends."""
    with ExitStack() as stack:
        collector = stack.enter_context(collect())
        service = stack.enter_context(
            serve(
                workers=2,
                FASHION_TRACING="true",
                OTEL_SERVICE_NAME="shop",
                OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
                OTEL_BSP_SCHEDULE_DELAY="10",
            )
        )
        connections = [stack.enter_context(connect(service.port)) for _ in range(2)]
        for connection in connections:
            assert ask(connection, PREDICTION).startswith(b"HTTP/1.1 200 ")
        assert collector.has_been_asked.wait(LIMIT_S)
        for connection in connections:
            answer = ask(connection, PREDICTION)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"\r\ntraceresponse: 00-" in answer
        asked = 4
        collector.may_answer.set()
        give_up_at = time.monotonic() + LIMIT_S
        while len(collector.list_processes()) < 2:  # until each worker has got a connection
            assert time.monotonic() < give_up_at
            assert ask(stack.enter_context(connect(service.port)), PREDICTION).startswith(b"HTTP/1.1 200 ")
            asked += 1
        assert service.stop() == 0
        assert not service.log.find("ERROR|WARNING")
    assert collector.list_names() == sorted([REQUEST, "batch", *STEPS] * asked)
    assert {name for name, _ in collector.list_processes()} == {"shop"}


@pytest.mark.parametrize("server", ASGI_SERVERS)
def test_every_server_is_a_door(server: str) -> None:
    """Under each ASGI server, a request has the same spans, and the last are sent before the process ends."""
    with collect() as collector:
        collector.may_answer.set()
        variables = {"FASHION_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        with serve_app(server, "tests.served_app:app", **variables) as service:
            with service.connect() as client:
                assert client.get(PREDICTION).status_code == HTTPStatus.OK
            service.stop()
    assert collector.list_names() == sorted([REQUEST, "batch", *STEPS])


def test_collector_that_is_away_costs_a_line() -> None:
    """Without a collector, requests are answered all the same, the log has one line of it, and the service stops."""
    with serve(
        FASHION_TRACING="true",
        OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{find_free_port()}",
        OTEL_EXPORTER_OTLP_TIMEOUT="0.1",
        OTEL_BSP_SCHEDULE_DELAY="1",
        OTEL_BSP_MAX_QUEUE_SIZE="8",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="8",
    ) as service:
        assert get(service.port, PREDICTION).startswith(b"HTTP/1.1 200 ")
        service.log.wait_for("opentelemetry")
        for _ in range(5):
            assert get(service.port, PREDICTION).startswith(b"HTTP/1.1 200 ")
        assert service.stop() == 0
        assert len(service.log.find("opentelemetry|Traceback")) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_missing_package_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    """Where the extra is not installed, `fashion-api serve` ends with one line that says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto", None)
    monkeypatch.delitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", raising=False)
    monkeypatch.setenv("FASHION_TRACING", "true")
    assert run(["serve", f"--workers={workers}", "--port=0"]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines() == [
        f"fashion-api: FASHION_TRACING: OpenTelemetry is not installed: {INSTALL_OPENTELEMETRY}"
    ]
