"""Refusing when too many requests are under way, on a real server around a classifier that the test holds."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
import uvicorn

from fashion_api.app import OPEN_PATHS, create_app
from fashion_api.inference.classifier import Images, Predictions
from fashion_api.settings import Settings
from fashion_api.shedding import SheddingProtocol
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
    app = create_app(settings, load_model=model_loader(classifier), load_test_set=load_fake_test_set)
    config = uvicorn.Config(app, log_config=None, ws="none", lifespan="on")
    config.load()
    config.http_protocol_class = SheddingProtocol.limited(1, open_paths=OPEN_PATHS, request_log=app.state.request_log)
    server = uvicorn.Server(config)
    sock = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[sock])))
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
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
    response = busy.get(PREDICTION + "?x=1")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["type"], problem["instance"]) == ("/problems#overloaded", PREDICTION)
    assert problem["request_id"] == response.headers["x-request-id"]


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
