"""The app under each ASGI server, as a process of its own: overload, callers who go away, deadlines, and the end."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.gate import Gate
from tests.raw_http import ask, connect, write_request
from tests.servers import ASGI_SERVERS, ServerProcess, serve_app

pytestmark = pytest.mark.services

APP = "tests.served_app:app"
ROUTE = "/api/v1/test-images/{index}/prediction"
JSON_HEAD = b"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


def get(index: int, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Ask what the model sees in a test image; image i shows class i."""
    return write_request(method, ROUTE.replace("{index}", str(index)), *headers, version=version)


class Held(NamedTuple):
    """A server whose classifier the test holds."""

    server: ServerProcess
    gate: Gate


@pytest.fixture(scope="module", params=ASGI_SERVERS)
def held(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A server with room for two requests."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    settings = {"FASHION_MAX_CONCURRENT_REQUESTS": "2", "FASHION_REQUEST_TIMEOUT_S": "60"}
    with Gate(path) as gate, serve_app(request.param, APP, GATE=str(path), **settings) as server:
        yield Held(server, gate)
        gate.open()


def wait_until_full(server: ServerProcess) -> None:
    """Wait until as many requests are under way as there may be."""
    while ask(server.address, write_request("GET", "/api/v1/model")).status != HTTPStatus.SERVICE_UNAVAILABLE:
        pass


@pytest.fixture
def saturated(held: Held) -> Iterator[Held]:
    """The server while two requests are under way: one is computed, and one waits."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(connect(held.server.address)) for _ in range(2))
        first.send(get(1))
        batch = held.gate.wait_for_batch()
        second.send(get(2))
        wait_until_full(held.server)
        yield held
        batch.release()
        held.gate.wait_for_batch().release()
        assert [connection.read_answer().status for connection in (first, second)] == [200, 200]


def test_refused_head_has_no_body(saturated: Held) -> None:
    """A HEAD request too many is answered 503 without a body, and the connection stays in step."""
    with connect(saturated.server.address) as connection:
        statuses = [connection.ask(get(3, method="HEAD")).status for _ in range(2)]
        assert (statuses, connection.ask(write_request("GET", "/livez")).status) == ([503, 503], 200)


@pytest.mark.parametrize(
    "raw",
    [get(3, "Connection: close"), get(3, "Connection: close", method="HEAD"), get(3, version="1.0")],
    ids=["close", "close of HEAD", "HTTP/1.0"],
)
def test_refused_connection_is_closed_where_that_was_asked_for(saturated: Held, raw: bytes) -> None:
    """Also where a request is refused, `Connection: close` and HTTP/1.0 end the connection after the answer."""
    with connect(saturated.server.address) as connection:
        assert (connection.ask(raw).status, connection.read_rest()) == (503, b"")


def test_refused_request_is_logged_with_its_route(saturated: Held) -> None:
    """A request too many is logged with the template of the route that it was for."""
    ask(saturated.server.address, get(3, "X-Request-ID: one-too-many"))
    saturated.server.log.wait_for(rf"GET {re.escape(ROUTE)} 503 \S+ ms one-too-many")


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs", "/openapi.json"])
def test_health_and_documentation_are_never_refused(saturated: Held, path: str) -> None:
    """However busy the service is, probes and the documentation are answered."""
    assert ask(saturated.server.address, write_request("GET", path)).status == 200


def test_request_of_a_caller_who_has_gone_is_not_computed(held: Held) -> None:
    """A request whose caller disconnects while it waits leaves the queue, and is logged as given up."""
    with connect(held.server.address) as first, connect(held.server.address) as last:
        first.send(get(1))
        batch = held.gate.wait_for_batch()
        with connect(held.server.address) as gone:
            gone.send(get(2, "X-Request-ID: gone"))
            wait_until_full(held.server)
        held.server.log.wait_for(rf"GET {re.escape(ROUTE)} 499 \S+ ms gone")
        last.send(get(3))
        batch.release()
        next_batch = held.gate.wait_for_batch()
        next_batch.release()
        assert next_batch.classes == [3]
        assert [connection.read_answer().status for connection in (first, last)] == [200, 200]


@pytest.mark.parametrize("path", ["/api/v1/test-images/9", "/api/v1/test-images/10000/prediction"])
def test_garbage_after_pipelined_requests_is_no_fault(held: Held, path: str) -> None:
    """Two requests with bytes that are no HTTP behind them leave a line or two in the log, and no traceback."""
    before = len(held.server.log.lines)
    with connect(held.server.address) as connection:
        connection.send(write_request("GET", path) * 2 + bytes(range(143)))
        connection.read_rest()
    ask(held.server.address, write_request("GET", "/problems", f"X-Request-ID: after-{before}"))
    held.server.log.wait_for(f"after-{before}")
    others = [line for line in held.server.log.lines[before:] if " ms " not in line]
    assert len(others) <= 2
    assert not any("Traceback" in line for line in others)


@pytest.mark.parametrize("held", ["uvicorn"], indirect=True)
def test_answer_to_a_connection_that_the_server_has_closed_is_no_fault(held: Held) -> None:
    """A request that is computed when uvicorn closes its connection for the garbage behind it leaves no traceback."""
    before = len(held.server.log.lines)
    with connect(held.server.address) as connection:
        connection.send(get(1, "X-Request-ID: cut-off") * 2 + bytes(range(143)))
        batch = held.gate.wait_for_batch()
        connection.read_rest()
        ask(held.server.address, write_request("GET", "/livez"))
        batch.release()
    held.server.log.wait_for(rf"GET {re.escape(ROUTE)} 499 \S+ ms cut-off")
    ask(held.server.address, write_request("GET", "/problems", "X-Request-ID: after-it"))
    held.server.log.wait_for("after-it")
    others = [line for line in held.server.log.lines[before:] if " ms " not in line]
    assert len(others) <= 2
    assert not any("Traceback" in line for line in others)


@pytest.fixture(scope="module", params=ASGI_SERVERS)
def hasty(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    """A server that gives a request little time."""
    path = tmp_path_factory.mktemp("gate") / "gate"
    settings = {"FASHION_REQUEST_TIMEOUT_S": "0.1"}
    with Gate(path) as gate, serve_app(request.param, APP, GATE=str(path), **settings) as server:
        yield Held(server, gate)
        gate.open()


def test_body_that_does_not_arrive_is_given_up(hasty: Held) -> None:
    """A caller who announces a body and sends none is answered 408 when the request's time is over."""
    with connect(hasty.server.address) as connection:
        connection.send(JSON_HEAD + b"Content-Length: 100\r\n\r\n[")
        assert connection.read_answer().status == 408


def test_answer_that_is_not_there_in_time_is_given_up(hasty: Held) -> None:
    """A request that is still being computed when its time is over is answered 504."""
    with connect(hasty.server.address) as connection:
        connection.send(get(1))
        batch = hasty.gate.wait_for_batch()
        assert connection.read_answer().status == 504
        batch.release()


STATUS_AFTER_SIGTERM = {"uvicorn": -signal.SIGTERM, "granian": 0, "hypercorn": 0}
SAYS_THAT_IT_CLOSES = {"uvicorn", "granian"}  # hypercorn tells its workers only to stop


@pytest.mark.parametrize("name", ASGI_SERVERS)
def test_sigterm_lets_requests_finish(name: str, tmp_path: Path) -> None:
    """On SIGTERM, a request that was taken in is answered, its connection is closed, and it is in the log."""
    with Gate(tmp_path / "gate") as gate, serve_app(name, APP, GATE=str(tmp_path / "gate")) as server:
        with connect(server.address) as idle, connect(server.address) as connection:
            idle.ask(write_request("GET", "/livez"))
            connection.send(get(1, "X-Request-ID: the-last"))
            batch = gate.wait_for_batch()
            server.process.send_signal(signal.SIGTERM)
            assert idle.read_rest() == b""  # it is stopping
            batch.release()
            head, _, body = connection.read_rest().partition(b"\r\n\r\n")
        assert (head.split(b" ")[1], body.startswith(b'{"index":1,')) == (b"200", True)
        assert (b"\r\nconnection: close" in head) is (name in SAYS_THAT_IT_CLOSES)
        assert server.wait() == STATUS_AFTER_SIGTERM[name]
        server.log.wait_for(rf"GET {re.escape(ROUTE)} 200 \S+ ms the-last")


def test_request_that_outlasts_the_stop_is_answered(tmp_path: Path) -> None:
    """When the server waits no longer, a request that is still under way is answered 503, and no fault is logged."""
    with (
        Gate(tmp_path / "gate") as gate,
        serve_app("uvicorn", APP, "--timeout-graceful-shutdown=0", GATE=str(tmp_path / "gate")) as server,
    ):
        with connect(server.address) as connection:
            connection.send(get(1))
            batch = gate.wait_for_batch()
            server.process.send_signal(signal.SIGTERM)
            answer = connection.read_answer()
            batch.release()
        server.wait()
        assert (answer.status, b"/problems#not-ready" in answer.body) == (503, True)
        assert not any("Traceback" in line for line in server.log.lines)
