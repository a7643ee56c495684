"""The route in a request's log line, and the level of the line."""

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
from tests.conftest import MakeClient
from tests.fakes import load_fake_test_set, model_loader

if TYPE_CHECKING:
    from fashion_api.service.events import RequestEvent


class Recorder(logging.Handler):
    """Keeps the requests that are logged, with their levels."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, RequestEvent]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.extend((record.levelname, event) for event in getattr(record, "requests", ()))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """What is logged of requests, at every level."""
    recorder, log = Recorder(), logging.getLogger("fashion_api.service.request_log")
    level = log.level
    log.addHandler(recorder)
    log.setLevel(logging.DEBUG)
    yield recorder
    log.removeHandler(recorder)
    log.setLevel(level)


@pytest.mark.parametrize(
    ("request_line", "status", "route"),
    [
        ("GET /docs", 200, "/docs"),
        ("GET /redoc", 200, "/redoc"),
        ("GET /openapi.json", 200, "/openapi.json"),
        ("GET /static-docs/swagger-ui.css", 200, "/static-docs"),
        ("HEAD /static-docs/swagger-ui.css", 200, "/static-docs"),
        ("GET /static-docs/secret-name", 404, "/static-docs"),
        ("GET /api/v1/model", 401, "/api/v1/model"),
        ("GET /api/v1/test-images/7/prediction", 401, "/api/v1/test-images/{index}/prediction"),
        ("POST /api/v1/predictions", 401, "/api/v1/predictions"),
        ("DELETE /api/v1/predictions", 401, "/api/v1/predictions"),
        ("GET /predict", 401, "/predict"),
        ("GET /secret-name", 401, None),
    ],
)
def test_line_names_the_template_of_the_route(
    make_client: MakeClient, recorder: Recorder, request_line: str, status: int, route: str | None
) -> None:
    """Refused requests, documentation and static files are logged under their route's template, never their path."""
    client = make_client(api_keys=(SecretStr("key"),))
    assert client.request(*request_line.split()).status_code == status
    client.__exit__()
    assert [event.route for _, event in recorder.seen] == [route]


def test_template_is_found_under_a_path_prefix_too(settings: Settings, recorder: Recorder) -> None:
    """An app that is mounted in another names its own templates."""
    app = create_app(settings, load_model=model_loader(), load_test_set=load_fake_test_set)
    with TestClient(app), TestClient(Starlette(routes=[Mount("/fashion", app)])) as client:
        assert client.get("/fashion/static-docs/swagger-ui.css").status_code == 200
    assert [event.route for _, event in recorder.seen] == ["/static-docs"]


@pytest.mark.parametrize(
    ("method", "path", "level"),
    [
        ("GET", "/livez", "DEBUG"),
        ("GET", "/readyz", "DEBUG"),
        ("HEAD", "/livez", "DEBUG"),
        ("GET", "/livez/", "INFO"),
        ("GET", "/api/v1/model", "INFO"),
    ],
)
def test_probes_are_logged_at_debug_only(
    make_client: MakeClient, recorder: Recorder, method: str, path: str, level: str
) -> None:
    """What asks every few seconds whether the service is up does not fill the log."""
    client = make_client()
    client.request(method, path, follow_redirects=False)
    client.__exit__()
    assert [level for level, _ in recorder.seen] == [level]
