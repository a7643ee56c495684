"""What is answered below the app, on a real server around a classifier that the test holds."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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


@contextmanager
def serving(settings: Settings, classifier: HeldClassifier) -> Iterator[str]:
    """A server on a thread of its own that takes one request at a time; gives its address."""
    with serving_app(settings, classifier, max_requests=1) as (url, _):
        yield url


@contextmanager
def serving_app(settings: Settings, classifier: HeldClassifier, *, max_requests: int) -> Iterator[tuple[str, FastAPI]]:
    """A server on a thread of its own; gives its address, and the app."""
    app = create_app(settings, load_model=model_loader(classifier), load_test_set=load_fake_test_set)
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="on")
    config.load()
    config.http_protocol_class = ServiceProtocol.serving(
        app.state, max_requests=max_requests, open_paths=OPEN_PATHS, operations=OPERATIONS
    )
    server = uvicorn.Server(config)
    sock = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}", app
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


def wait_until(is_so: Callable[[], bool]) -> None:
    """Look again and again; fails where it does not come to be so."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_request_of_a_caller_who_has_gone_is_given_up(settings: Settings, classifier: HeldClassifier) -> None:
    """When a caller goes away, its images leave the queue and are never computed; the others are answered."""
    with serving_app(settings, classifier, max_requests=10) as (url, app), ThreadPoolExecutor() as pool:
        first = pool.submit(httpx2.get, url + PREDICTION, timeout=LIMIT_S)
        assert classifier.entered.wait(LIMIT_S)
        batcher = app.state.service.batcher
        address = httpx2.URL(url)
        with socket.create_connection((address.host, address.port or 0)) as sock:
            sock.sendall(f"GET {PREDICTION} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_until(lambda: batcher.waiting_images == 1)
        wait_until(lambda: batcher.waiting_images == 0)
        classifier.may_go.set()
        assert first.result().status_code == 200
