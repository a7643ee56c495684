"""What is answered below the app, on a real server around a classifier that the test holds."""

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from fashion_api.app import OPEN_PATHS, OPERATIONS, create_app
from fashion_api.inference.classifier import Images, Predictions
from fashion_api.protocol import ServiceProtocol
from fashion_api.settings import Settings
from tests.fakes import FakeClassifier, load_fake_test_set, model_loader

LIMIT_S = 60.0
PREDICTION = "/api/v1/test-images/9/prediction"


class HeldClassifier(FakeClassifier):
    """Computes when the test lets it."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.may_go = threading.Event()

    def classify(self, images: Images) -> Predictions:
        self.entered.set()
        assert self.may_go.wait(LIMIT_S)
        return super().classify(images)


class Running(NamedTuple):
    """A server on a thread of its own."""

    url: str
    app: FastAPI
    server: uvicorn.Server


@contextmanager
def serving(settings: Settings, classifier: HeldClassifier) -> Iterator[str]:
    """A server that takes one request at a time; gives its address."""
    with serving_app(settings, classifier, max_requests=1) as running:
        yield running.url


@contextmanager
def serving_app(
    settings: Settings, classifier: HeldClassifier, *, max_requests: int, drain_timeout_s: int | None = None
) -> Iterator[Running]:
    """A server around a classifier that the test holds."""
    app = create_app(settings, load_model=model_loader(classifier), load_test_set=load_fake_test_set)
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="on", timeout_graceful_shutdown=drain_timeout_s)
    config.load()
    config.http_protocol_class = ServiceProtocol.serving(
        app.state, max_requests=max_requests, open_paths=OPEN_PATHS, operations=OPERATIONS
    )
    server = uvicorn.Server(config)
    sock = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{sock.getsockname()[1]}", app, server)
    finally:
        classifier.may_go.set()
        server.should_exit = True
        thread.join()


@pytest.fixture
def classifier() -> HeldClassifier:
    """Lets the test decide how long a request is under way."""
    return HeldClassifier()


@pytest.fixture
def busy(settings: Settings, classifier: HeldClassifier) -> Iterator[httpx2.Client]:
    """A client of a server that has as many requests under way as it takes."""
    with serving(settings, classifier) as url, httpx2.Client(base_url=url, timeout=LIMIT_S) as client:
        first = threading.Thread(target=lambda: httpx2.get(url + PREDICTION, timeout=LIMIT_S))
        first.start()
        assert classifier.entered.wait(LIMIT_S)
        yield client
        classifier.may_go.set()
        first.join()


def test_request_beyond_the_limit_is_a_problem(busy: httpx2.Client) -> None:
    """One request too many is answered 503 at once, as a problem like any other, with when to come again."""
    response = busy.get(PREDICTION + "?x=1", headers={"X-Request-ID": "mine"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["instance"]) == ("/problems#overloaded", PREDICTION)
    assert problem["request_id"] == response.headers["x-request-id"] == "mine"


def test_refused_connection_serves_again(busy: httpx2.Client, classifier: HeldClassifier) -> None:
    """A refused request, with a body that was not read, leaves its connection as good as before."""
    body = b"x" * 100_000
    assert busy.post("/api/v1/predictions", content=body).status_code == 503
    assert busy.post("/api/v1/predictions", content=body).status_code == 503
    classifier.may_go.set()
    answers = iter(lambda: busy.get(PREDICTION).status_code, 200)  # until the first has been answered
    assert set(answers) <= {503}


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_never_refused(busy: httpx2.Client, path: str) -> None:
    """However busy the service is, a probe is answered."""
    assert busy.get(path).status_code == 200


def test_bytes_that_are_no_http_are_a_problem(settings: Settings, classifier: HeldClassifier) -> None:
    """What is no HTTP is answered 400, as a problem with a request id, and the connection is closed."""
    with serving(settings, classifier) as url:
        address = httpx2.URL(url)
        with socket.create_connection((address.host, address.port or 0), timeout=LIMIT_S) as sock:
            sock.sendall(b"this is no HTTP\r\n\r\n")
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"x-request-id: " in head
    assert json.loads(body)["type"] == "/problems#bad-request"


def test_body_that_does_not_arrive_is_given_up(settings: Settings, classifier: HeldClassifier) -> None:
    """A caller who announces a body and sends none is answered 408 after the request's time, and holds no place."""
    hasty = settings.model_copy(update={"request_timeout_s": 0.05})
    with serving(hasty, classifier) as url:
        address = httpx2.URL(url)
        with socket.create_connection((address.host, address.port or 0), timeout=LIMIT_S) as sock:
            sock.sendall(
                b"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n"
            )
            assert sock.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert httpx2.get(url + "/api/v1/model", timeout=LIMIT_S).status_code == 200


def test_request_under_way_is_answered_before_the_server_stops(settings: Settings, classifier: HeldClassifier) -> None:
    """A server that stops answers what is under way, says that the connection ends, and ends it."""
    with serving_app(settings, classifier, max_requests=10) as running:
        address = httpx2.URL(running.url)
        with socket.create_connection((address.host, address.port or 0), timeout=LIMIT_S) as sock:
            sock.sendall(f"GET {PREDICTION} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert classifier.entered.wait(LIMIT_S)
            running.server.should_exit = True
            wait_until(lambda: not running.server.servers[0].is_serving())
            wait_until(lambda: all(not task.keep_alive for task in running.server.server_state.tasks))  # type: ignore[attr-defined]  # an exchange
            classifier.may_go.set()
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in answer


def test_request_that_outlasts_the_drain_is_told_so(settings: Settings, classifier: HeldClassifier) -> None:
    """When the server waits no longer, what is still under way is answered 503."""
    with serving_app(settings, classifier, max_requests=10, drain_timeout_s=0) as running:
        address = httpx2.URL(running.url)
        with socket.create_connection((address.host, address.port or 0), timeout=LIMIT_S) as sock:
            sock.sendall(f"GET {PREDICTION} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert classifier.entered.wait(LIMIT_S)
            running.server.should_exit = True
            answer = b"".join(iter(lambda: sock.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"/problems#not-ready" in answer


def test_fault_in_writing_an_answer_is_a_problem(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """An error that nobody foresaw is answered 500 below the app too, and logged with the request's id."""
    free = HeldClassifier()
    free.may_go.set()
    with serving_app(settings, free, max_requests=10) as running:
        wait_until(lambda: running.server.started)
        running.app.state.service.model = None  # a bug, as it were
        response = httpx2.get(running.url + PREDICTION, headers={"X-Request-ID": "abc"}, timeout=LIMIT_S)
    assert (response.status_code, response.json()["request_id"]) == (500, "abc")
    record = next(record for record in caplog.records if record.getMessage() == "unhandled error")
    assert (record.__dict__["request_id"], record.exc_info is not None) == ("abc", True)


def test_request_below_the_app_is_logged_once(
    settings: Settings, classifier: HeldClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    """A request that is answered below the app is logged as others are, and so is one whose caller has gone."""
    with caplog.at_level(logging.INFO), serving_app(settings, classifier, max_requests=10) as running:
        address = httpx2.URL(running.url)
        with socket.create_connection((address.host, address.port or 0)) as sock:
            sock.sendall(f"GET {PREDICTION} HTTP/1.1\r\nHost: x\r\nX-Request-ID: gone\r\n\r\n".encode())
            assert classifier.entered.wait(LIMIT_S)
        wait_until(lambda: not running.server.server_state.tasks)
        classifier.may_go.set()
        httpx2.get(running.url + PREDICTION, headers={"X-Request-ID": "here"}, timeout=LIMIT_S)
    events = [event for record in caplog.records for event in record.__dict__.get("requests", [])]
    route = "/api/v1/test-images/{index}/prediction"
    assert [(event.method, event.route, event.status, event.request_id) for event in events] == [
        ("GET", route, 499, "gone"),
        ("GET", route, 200, "here"),
    ]


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again; fails where it does not come to be so."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("path", [PREDICTION, PREDICTION.replace("9", "%39")], ids=["below the app", "through it"])
def test_request_of_a_caller_who_has_gone_is_given_up(
    settings: Settings, classifier: HeldClassifier, path: str
) -> None:
    """When a caller goes away, its images leave the queue and are never computed; the others are answered."""
    with serving_app(settings, classifier, max_requests=10) as running, ThreadPoolExecutor() as pool:
        first = pool.submit(httpx2.get, running.url + PREDICTION, timeout=LIMIT_S)
        assert classifier.entered.wait(LIMIT_S)
        batcher = running.app.state.service.batcher
        address = httpx2.URL(running.url)
        with socket.create_connection((address.host, address.port or 0)) as sock:
            sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(lambda: batcher.waiting_images == 1)
        wait_until(lambda: batcher.waiting_images == 0)
        classifier.may_go.set()
        assert first.result().status_code == 200


def test_request_past_its_deadline_is_told_so(settings: Settings, classifier: HeldClassifier) -> None:
    """A request that is answered below the app is told 504 when its time is over, whatever the classifier does."""
    hasty = settings.model_copy(update={"request_timeout_s": 0.05})
    with serving(hasty, classifier) as url:
        assert httpx2.get(url + PREDICTION, timeout=LIMIT_S).status_code == 504
