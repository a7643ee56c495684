"""The service inside another app: mounted, with its lifespan started by the other's."""

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import SecretStr

from fashion_api.rest.app import ServiceApp
from tests.asgi import ask, call, running
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import fake_app

KEY = {"X-API-Key": "key"}


def embed(app: ServiceApp, path: str = "/{tenant}") -> FastAPI:
    """Another app, in which the service is mounted, and which starts and stops it."""

    @asynccontextmanager
    async def lifespan(_outer: FastAPI) -> AsyncIterator[None]:
        async with app.router.lifespan_context(app):
            yield

    outer = FastAPI(lifespan=lifespan)
    outer.mount(path, app)
    return outer


@pytest.fixture
def client() -> Iterator[TestClient]:
    """A client of an app with the service below each tenant's path, where keys are asked for."""
    with TestClient(embed(fake_app(api_keys=(SecretStr("key"),)))) as client:
        yield client


@pytest.mark.parametrize("tenant", ["7", "shop", "api", "livez"])
def test_mounted_service_answers_for_the_image_that_was_asked_for(client: TestClient, tenant: str) -> None:
    """Parameters of the place where the service is mounted are none of its own."""
    answer = client.get(f"/{tenant}/api/v1/test-images/3/prediction", headers=KEY)
    assert (answer.status_code, answer.json()["index"], answer.json()["actual"]) == (200, 3, "Dress")


@pytest.mark.parametrize(
    "path", ["/livez", "/readyz", "/docs", "/redoc", "/openapi.json", "/problems", "/static-docs/swagger-ui.css", "/"]
)
def test_health_and_documentation_need_no_key(client: TestClient, path: str) -> None:
    """Also where the service is mounted, probes and the documentation are open to all."""
    assert client.get("/7" + path).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/model", "/api/v1/test-images/3/prediction", "/predict", "/nothing"])
def test_all_else_needs_a_key(client: TestClient, path: str) -> None:
    """Also where the service is mounted, everything else needs a key."""
    assert client.get("/7" + path).status_code == 401


def test_documentation_stays_below_the_mount(client: TestClient) -> None:
    """The documentation of a mounted service loads its description from below the mount, and names its server."""
    assert '"/7/openapi.json"' in client.get("/7/docs").text.replace("'", '"')
    assert client.get("/7/openapi.json").json()["servers"] == [{"url": "/7"}]
    assert client.get("/8/openapi.json").json()["servers"] == [{"url": "/8"}]


def test_redirect_stays_below_the_mount(client: TestClient) -> None:
    """A redirect for a slash at the end stays below the mount."""
    answer = client.get("/7/livez/", headers=KEY, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "http://testserver/7/livez")


@pytest.mark.parametrize(
    ("path", "route", "status"),
    [
        ("/api/v1/test-images/3/prediction", "/api/v1/test-images/{index}/prediction", 401),
        ("/api/v1/model", "/api/v1/model", 401),
        ("/problems", "/problems", 200),
        ("/nothing", None, 401),
    ],
)
def test_mounted_service_logs_its_own_routes(
    client: TestClient, caplog: pytest.LogCaptureFixture, path: str, route: str | None, status: int
) -> None:
    """A request to a mounted service is logged with the service's own route, whether it is refused or not."""
    caplog.set_level(logging.INFO)
    client.get("/7" + path)
    client.__exit__()
    events = [event for record in caplog.records for event in record.__dict__.get("requests", [])]
    assert [(event.route, event.status) for event in events] == [(route, status)]


def test_service_whose_lifespan_was_not_started_is_not_ready() -> None:
    """An app that mounts the service and does not start it gets 503, with a reason."""
    outer = FastAPI()
    outer.mount("/shop", fake_app())
    answer = TestClient(outer).get("/shop/api/v1/model")
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems#not-ready")


def test_requests_are_in_the_log_when_the_lifespan_ends(caplog: pytest.LogCaptureFixture) -> None:
    """The last requests are logged before the embedding app has left the service's lifespan."""
    caplog.set_level(logging.INFO)

    async def test() -> None:
        app = fake_app()
        async with running(app):
            await ask(app, "GET", "/problems")
        assert any("requests" in record.__dict__ for record in caplog.records)

    run(test)


def test_service_can_be_started_again() -> None:
    """After its lifespan has ended, on another event loop too, the service can be started again, whole."""
    app = fake_app(request_timeout_s=5.0)

    async def time_out() -> None:
        async with running(app):
            headers: dict[str, Any] = {"Content-Type": "application/json", "Content-Length": "9"}
            slow = call(app, "POST", "/api/v1/predictions", headers, body=None)
            await turn_over()
            await put_clock_forward(6)
            assert slow.is_answered
            assert (await slow.read_answer()).status == 408
            late = call(app, "GET", "/api/v1/test-images/3/prediction")
            assert (await late.read_answer()).status == 200

    run(time_out)
    run(time_out)
