"""Metrics of one process and of several, as Prometheus reads them."""

import http.client
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import prometheus_client as prometheus
import pytest

from fashion_api.server import metrics
from fashion_api.server.metrics import serve_metrics
from fashion_api.settings import Settings
from tests.raw_http import LIMIT_S
from tests.server.scraping import Samples, find, read, total, wait_for, wait_for_total
from tests.server.service_process import Service, ask, begin_request, connect, serve
from tests.servers import find_free_port

pytestmark = pytest.mark.services

PREDICTION = "/api/v1/test-images/3/prediction"
ROUTE = "/api/v1/test-images/{index}/prediction"


def send_requests(service: Service, *, connections: int) -> int:
    """Ask for predictions and other things over several connections; gives how many requests were sent."""
    asked = {PREDICTION: b"200", "/livez": b"200", "/nothing": b"404", "/api/v1/test-images/no/prediction": b"422"}
    for _ in range(connections):
        with connect(service.port) as connection:
            for path, status in asked.items():
                assert ask(connection, path).startswith(b"HTTP/1.1 " + status)
            connection.sendall(b"no HTTP\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        with connect(service.port) as connection:
            begin_request(connection)  # and leave
    return connections * (len(asked) + 2)


def total_asked(samples: Samples) -> float:
    """The requests, without those for the metrics."""
    return total(samples, "fashion_requests_total") - total(samples, "fashion_requests_total", route="/metrics")


def wait_for_requests(port: int, wanted: float) -> Samples:
    """Read until so many requests were counted, and never more."""
    return wait_for(port, wanted, total_asked)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_answer_is_counted(workers: int) -> None:
    """Whichever worker is asked, the metrics are the sums of all, and those of one kind agree with those of another.

    Refusals, bytes that are no HTTP and callers who leave before they are answered are among them.
    """
    with serve(workers=workers) as service:
        sent = send_requests(service, connections=4)
        samples = wait_for_requests(service.port, sent)
        assert total(samples, "fashion_requests_total", route=ROUTE, method="GET", status="200") == 4
        assert total(samples, "fashion_requests_total", route="(no route)", method="other", status="400") == 4
        assert total(samples, "fashion_requests_total", route="/api/v1/predictions", status="499") == 4
        assert total(samples, "fashion_refusals_total", reason="bad-request") == 4
        for name in ("decode_seconds", "queue_wait_seconds", "compute_seconds", "encode_seconds"):
            assert total(samples, f"fashion_{name}_count") == 4
        for name in ("top_probability_count", "novelty_count", "predictions_total", "batch_images_sum"):
            assert total(samples, f"fashion_{name}") == 4
        for route in {labels["route"] for _, labels in find(samples, "fashion_requests_total")}:
            durations = total(samples, "fashion_request_duration_seconds_count", route=route)
            assert durations == total(samples, "fashion_requests_total", route=route)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_nothing_falls_when_a_worker_is_killed(tmp_path: Path) -> None:
    """The worker that replaces a killed one goes on with its numbers and its files, and its end is counted."""
    with serve(workers=2, TMPDIR=str(tmp_path)) as service:
        sent = send_requests(service, connections=8)
        before = wait_for_requests(service.port, sent)
        files = {path.name for path in tmp_path.rglob("*.db")}
        for worker in service.find_workers():
            os.kill(worker, signal.SIGKILL)
        service.wait_until_ready(times=4)
        samples = wait_for_total(service.port, 2, "fashion_worker_ends_total", reason="SIGKILL")
        assert total_asked(samples) == sent
        counted = [key for key in before if key[0].endswith(("_total", "_count", "_sum", "_bucket"))]
        assert not [key for key in counted if samples[key] < before[key]]
        sent += send_requests(service, connections=8)
        wait_for_requests(service.port, sent)
        wait_for_total(service.port, 2, "fashion_workers", state="ready")
        assert {path.name for path in tmp_path.rglob("*.db")} == files


@pytest.mark.parametrize("workers", [1, 2])
def test_metrics_have_a_port_of_their_own(workers: int) -> None:
    """Where a port is named, the metrics are there, without a key, and nowhere else."""
    port = find_free_port()
    with serve(workers=workers, FASHION_METRICS_PORT=str(port), FASHION_API_KEYS="key") as service:
        assert total(read(port), "fashion_model_info", name="fashion_mnist") == 1
        with connect(service.port) as connection:
            assert ask(connection, "/metrics").startswith((b"HTTP/1.1 401 ", b"HTTP/1.1 404 "))


def test_port_in_use_stops_the_start() -> None:
    """A port for the metrics that is taken stops the start with one line that names the setting."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
        with serve(is_ready=False, FASHION_METRICS_PORT=str(port)) as service:
            service.log.wait_for(f"FASHION_METRICS_PORT: cannot listen on 127.0.0.1 port {port}: .*choose another port")
            assert service.wait() == 1


def test_request_whose_body_goes_wrong_is_counted_once() -> None:
    """A refusal that answers a request which the app has begun with is that request's answer, and no second one."""
    with serve(workers=1) as service:
        with connect(service.port) as connection:
            connection.sendall(
                b"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nno length\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        samples = wait_for_total(service.port, 1, "fashion_refusals_total", reason="bad-request")
        assert total(samples, "fashion_requests_total", route="/api/v1/predictions", status="400") == 1
        assert total(samples, "fashion_requests_total", route="(no route)") == 0
        assert total(samples, "fashion_requests_total", status="499") == 0


def test_metrics_that_are_off_have_no_port() -> None:
    """Where nothing is counted, the port for the metrics is not listened on."""
    port = find_free_port()
    with serve(FASHION_METRICS="false", FASHION_METRICS_PORT=str(port)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.fixture
def port() -> Iterator[int]:
    """The port of the metrics, which nobody else has counted in."""
    port = find_free_port()
    registry = prometheus.CollectorRegistry()
    prometheus.Gauge("fashion_connections", "Open connections.", registry=registry)
    with serve_metrics(Settings(_env_file=None, metrics_port=port), lambda: registry):
        yield port


ODD_REQUESTS = {
    "a part": ("GET", "/metrics?name[]=fashion_connections", 200),
    "only the head": ("HEAD", "/metrics", 200),
    "another method": ("POST", "/metrics", 405),
}


@pytest.mark.parametrize(("method", "path", "status"), ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_odd_requests_to_the_port_are_answered(
    port: int, capfd: pytest.CaptureFixture[str], method: str, path: str, status: int
) -> None:
    """Whatever is asked on the port of the metrics is answered, as no other type than it says, and is no traceback."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection:
        connection.request(method, path, headers={"Accept": "application/openmetrics-text; version=abc"})
        answer = connection.getresponse()
        assert (answer.status, answer.headers["X-Content-Type-Options"]) == (status, "nosniff")
        assert (b"fashion_connections 0.0" in answer.read()) == (method == "GET")
    assert capfd.readouterr().err == ""


def test_silent_connections_to_the_port_are_few(
    port: int, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections that say nothing have a bounded number of threads and files, are closed, and are no line."""
    monkeypatch.setattr(metrics, "_READ_TIMEOUT_S", 0.5)
    silent = [socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) for _ in range(40)]
    for connection in silent:  # those beyond the number at once, the others after their time
        with connection, suppress(ConnectionError):
            assert connection.recv(1) == b""
    assert total(read(port), "fashion_connections") == 0
    assert capfd.readouterr().err == ""


def test_metrics_that_cannot_be_read_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    """A folder of several workers that has gone is an error in the log, and an answer."""

    def fail() -> prometheus.CollectorRegistry:
        raise ValueError("no folder")

    port = find_free_port()
    with (
        serve_metrics(Settings(_env_file=None, metrics_port=port), fail),
        closing(http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)) as connection,
    ):
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == 500
    assert "the metrics cannot be read" in caplog.text


@pytest.mark.skipif(sys.platform != "linux", reason="asks for the blocks of a file")
def test_files_have_their_place_on_the_disk(tmp_path: Path) -> None:
    """No file of several workers has holes: a worker that fills one while the disk is full is ended by a signal."""
    with serve(workers=2, TMPDIR=str(tmp_path)) as service:
        send_requests(service, connections=2)
        found = [path.stat() for path in tmp_path.rglob("*.db")]
        assert len(found) >= 5
        assert [file.st_blocks * 512 >= file.st_size for file in found] == [True] * len(found)


def test_start_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    """Where the port of the metrics is taken, the folder of several workers' files does not stay behind."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = str(sock.getsockname()[1])
        with serve(workers=2, is_ready=False, FASHION_METRICS_PORT=port, TMPDIR=str(tmp_path)) as service:
            assert service.wait() == 1
    assert list(tmp_path.iterdir()) == []
