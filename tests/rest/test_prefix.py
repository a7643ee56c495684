"""The service below a path prefix, however it comes to know of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.errors import SettingsError
from fashion_api.rest.app import ServiceApp, create_app
from fashion_api.settings import Settings
from tests.fakes import fake_app

PREFIX = "/shop/fashion"
LOCALHOST = ("127.0.0.1", 50000)


class Proxy:
    """A proxy in front of an app: callers ask it for paths below the prefix."""

    def __init__(self, app: ServiceApp, *, strips: bool, headers: Mapping[bytes, bytes]) -> None:
        self._app = app
        self._strips = strips
        self._headers = list(headers.items())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(PREFIX + "/")
            path = scope["path"].removeprefix(PREFIX) if self._strips else scope["path"]
            scope = {**scope, "path": path, "raw_path": path.encode(), "headers": scope["headers"] + self._headers}
        await self._app(scope, receive, send)


class ServerOfItsOwn:
    """A server that was told the prefix, as by `uvicorn --root-path`, behind a proxy that strips it."""

    def __init__(self, app: ServiceApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app({**scope, "root_path": PREFIX} if scope["type"] == "http" else scope, receive, send)


class Place(NamedTuple):
    """A service below the prefix."""

    client: TestClient
    scheme: str


def by_setting(*, strips: bool) -> Callable[[], tuple[ASGIApp, str]]:
    return lambda: (Proxy(make_app(root_path=PREFIX), strips=strips, headers={b"x-forwarded-proto": b"https"}), "https")


def by_header(*, strips: bool) -> Callable[[], tuple[ASGIApp, str]]:
    headers = {b"x-forwarded-prefix": PREFIX.encode(), b"x-forwarded-proto": b"https"}
    return lambda: (Proxy(make_app(), strips=strips, headers=headers), "https")


def by_server() -> tuple[ASGIApp, str]:
    return ServerOfItsOwn(make_app(root_path=PREFIX)), "http"


def make_app(**changes: Any) -> ServiceApp:  # noqa: ANN401  # settings
    return fake_app(api_keys=(SecretStr("key"),), **changes)


PLACES: Mapping[str, Callable[[], tuple[ASGIApp, str]]] = {
    "setting, stripped": by_setting(strips=True),
    "setting, kept": by_setting(strips=False),
    "header, stripped": by_header(strips=True),
    "header, kept": by_header(strips=False),
    "server": by_server,
}


@pytest.fixture(params=list(PLACES.values()), ids=list(PLACES))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    app, scheme = request.param()
    with TestClient(app, client=LOCALHOST, follow_redirects=False) as client:
        yield Place(client, scheme)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_documentation_loads_from_below_the_prefix(place: Place, path: str) -> None:
    """All that a page of the documentation loads lies below the prefix, and is there."""
    page = place.client.get(PREFIX + path).text
    loaded = set(re.findall(r"""["'](/[^"'<> ]+(?:\.js|\.css|\.png|\.json))["']""", page))
    assert len(loaded) >= 3
    assert {each for each in loaded if not each.startswith(PREFIX + "/")} == set()
    assert {each: place.client.get(each).status_code for each in loaded} == dict.fromkeys(loaded, 200)


def test_description_names_the_prefix_as_its_server(place: Place) -> None:
    """Clients that are made from the description call the service below the prefix."""
    assert place.client.get(PREFIX + "/openapi.json").json()["servers"] == [{"url": PREFIX}]


@pytest.mark.parametrize("path", ["/livez/", "/api/v1/predictions/"])
def test_redirect_keeps_scheme_and_prefix(place: Place, path: str) -> None:
    """A redirect for a slash at the end leads to the address that the caller knows."""
    answer = place.client.get(PREFIX + path, headers={"X-API-Key": "key"})
    expected = f"{place.scheme}://testserver{PREFIX}{path.removesuffix('/')}"
    assert (answer.status_code, answer.headers["location"]) == (307, expected)


def test_page_loads_from_below_the_prefix(place: Place) -> None:
    """All that the page for people loads lies below the prefix, and is there."""
    page = place.client.get(PREFIX + "/", headers={"Accept": "text/html"}).text
    loaded = re.findall(r"""(?:src|href)="([^"#]+\.(?:js|css|svg))\"""", page)
    assert len(loaded) >= 3
    assert {each: place.client.get(f"{PREFIX}/{each}").status_code for each in loaded} == dict.fromkeys(loaded, 200)


@pytest.mark.parametrize(
    "path", ["/", "/livez", "/readyz", "/docs", "/openapi.json", "/static-docs/swagger-ui.css", "/static/page/app.js"]
)
def test_health_and_documentation_need_no_key(place: Place, path: str) -> None:
    """Below a prefix too, probes and the documentation are open to all, and nothing else is."""
    assert place.client.get(PREFIX + path).status_code == 200
    assert place.client.get(PREFIX + "/api/v1/model").status_code == 401


def test_prediction_is_answered(place: Place) -> None:
    """Below a prefix, the fast path answers for the image that was asked for."""
    answer = place.client.get(PREFIX + "/api/v1/test-images/3/prediction", headers={"X-API-Key": "key"})
    assert (answer.status_code, answer.json()["index"]) == (200, 3)


def test_unknown_address_leads_to_the_documentation_below_the_prefix(place: Place) -> None:
    """What it names can be opened."""
    detail = place.client.get(PREFIX + "/unknown", headers={"X-API-Key": "key"}).json()["detail"]
    assert detail == f"there is nothing at {PREFIX}/unknown; {PREFIX}/docs shows what there is"


def test_stranger_cannot_move_the_service() -> None:
    """Headers of who is no trusted proxy change neither pages nor redirects."""
    headers = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "https"}
    with TestClient(fake_app(), client=("203.0.113.9", 1), headers=headers, follow_redirects=False) as client:
        assert "/evil" not in client.get("/docs").text
        assert client.get("/livez/").headers["location"] == "http://testserver/livez"
        assert client.get("/openapi.json").json()["servers"] == [{"url": "/"}]


def test_each_caller_has_the_prefix_of_its_proxy() -> None:
    """One service behind two prefixes gives each caller the one that it has come by."""
    with TestClient(fake_app(), client=LOCALHOST) as client:
        named = [
            client.get("/openapi.json", headers={"X-Forwarded-Prefix": prefix}).json()["servers"]
            for prefix in ("/one", "/two")
        ]
    assert named == [[{"url": "/one"}], [{"url": "/two"}]]


@pytest.mark.parametrize("prefix", ["/api", "/api/v1", "/predict", "/docs", "/livez", "/static", "/static-docs"])
def test_prefix_that_is_the_beginning_of_a_path_is_refused(settings: Settings, prefix: str) -> None:
    """A prefix with which a path could be read in two ways stops the start, and the message names both."""
    with pytest.raises(SettingsError, match=f"FASHION_ROOT_PATH: {prefix} is where {prefix}"):
        create_app(settings.model_copy(update={"root_path": prefix}))
