"""Middleware of whoever makes the app: it sees every request and every response."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.inference.classifier import Classifier
from fashion_api.rest.app import ServiceApp
from tests.fakes import FailingClassifier, fake_app

SHOP = "https://shop.example"
PREDICTION = "/api/v1/test-images/9/prediction"


def give(classifier: Classifier | None, **changes: Any) -> ServiceApp:  # noqa: ANN401  # settings
    """An app that is given the middleware when it is made."""
    return fake_app(classifier, middleware=[Middleware(CORSMiddleware, allow_origins=[SHOP])], **changes)


def add(classifier: Classifier | None, **changes: Any) -> ServiceApp:  # noqa: ANN401  # settings
    """An app to which the middleware is added as to any of FastAPI's."""
    app = fake_app(classifier, **changes)
    app.add_middleware(CORSMiddleware, allow_origins=[SHOP])
    return app


@pytest.fixture(params=[give, add], ids=["given", "added"])
def make_client(request: pytest.FixtureRequest) -> Callable[..., TestClient]:
    """Makes clients of apps with the middleware; `is_started` says whether their service is."""
    stack = ExitStack()
    request.addfinalizer(stack.close)  # noqa: PT021  # as many as the test makes

    def make(classifier: Classifier | None = None, *, is_started: bool = True, **changes: Any) -> TestClient:  # noqa: ANN401  # settings
        client = TestClient(
            request.param(classifier, **changes), headers={"Origin": SHOP}, raise_server_exceptions=False
        )
        return stack.enter_context(client) if is_started else client

    return make


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", PREDICTION, 200),
        ("GET", PREDICTION.replace("9", "%39"), 200),
        ("HEAD", PREDICTION, 200),
        ("GET", "/api/v1/test-images/9", 200),
        ("GET", "/predict?test_image_num=9", 200),
        ("GET", "/livez", 200),
        ("GET", "/docs", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/static-docs/swagger-ui.css", 200),
        ("GET", PREDICTION.replace("9", "30"), 404),
        ("GET", "/nothing", 404),
        ("PUT", "/api/v1/predictions", 405),
        ("POST", "/api/v1/predictions", 415),
        ("GET", PREDICTION.replace("9", "x"), 422),
    ],
)
def test_every_answer_passes_it(make_client: Callable[..., TestClient], method: str, path: str, status: int) -> None:
    """Whatever answers, the fast path, a route or a problem, the response has what the middleware adds."""
    answer = make_client().request(method, path)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, SHOP)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"api_keys": (SecretStr("key"),)}, 401),
        ({"classifier": FailingClassifier()}, 500),
        ({"max_concurrent_requests": 0}, 503),
        ({"is_started": False}, 503),
    ],
    ids=["without a key", "fault", "overloaded", "not ready"],
)
def test_every_refusal_passes_it(make_client: Callable[..., TestClient], options: dict[str, Any], status: int) -> None:
    """What refuses a request before it comes to a route, and what fails, passes the middleware too."""
    answer = make_client(**options).get(PREDICTION)
    assert (answer.status_code, answer.headers.get("access-control-allow-origin")) == (status, SHOP)


def test_it_answers_by_itself(make_client: Callable[..., TestClient]) -> None:
    """A request that the middleware answers, as a browser's preflight, needs no key, and has a request id."""
    client = make_client(api_keys=(SecretStr("key"),))
    answer = client.options(PREDICTION, headers={"Access-Control-Request-Method": "GET"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, SHOP)
    assert len(answer.headers["x-request-id"]) == 32


class FaultyMiddleware:
    """Fails on every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise ZeroDivisionError("secret")
        await self._app(scope, receive, send)


def test_its_own_fault_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    """Middleware that fails is answered 500 as a problem with a request id, without its text, which the log has."""
    with TestClient(fake_app(middleware=[Middleware(FaultyMiddleware)])) as client:
        answer = client.get("/livez", headers={"X-Request-ID": "mine"})
    assert (answer.status_code, answer.json()["request_id"]) == (500, "mine")
    assert "secret" not in answer.text
    assert "secret" in caplog.text
