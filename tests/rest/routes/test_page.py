"""The page for people: who gets it, with which headers, and how much there is to load."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from tests.conftest import MakeClient

FOLDER = Path(str(files("fashion_api.rest") / "page"))
NAMES = sorted(path.name for path in FOLDER.iterdir())
LARGEST_BYTES = 150_000

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
ALIVE: Mapping[str, str] = {"status": "alive"}


@pytest.mark.parametrize(
    "accept",
    [
        BROWSER,
        "text/html",
        "TEXT/HTML; charset=utf-8",
        "text/html, application/json",
        "application/json;q=0.5, text/html",
    ],
)
def test_who_asks_for_html_gets_the_page(client: TestClient, accept: str) -> None:
    """A browser gets the page, and so does whoever gives HTML at least the weight of JSON."""
    answer = client.get("/", headers={"Accept": accept})
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.content == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/json", "", "text/html;q=0", "text/html;q=0.1, application/json;q=0.9", "text/html;q=much"],
)
def test_others_learn_that_the_service_is_alive(client: TestClient, accept: str) -> None:
    """A program that does not prefer HTML gets JSON."""
    answer = client.get("/", headers={"Accept": accept})
    assert (answer.json(), answer.headers["vary"]) == (ALIVE, "Accept")


@pytest.mark.parametrize("path", ["/", *[f"/static/page/{name}" for name in NAMES]])
def test_page_may_load_from_its_service_only(client: TestClient, path: str) -> None:
    """No script or style within the page, none from elsewhere, and no guessing of types."""
    headers = client.get(path, headers={"Accept": BROWSER}).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert (policy["script-src"], policy["style-src"], policy["connect-src"]) == ("'self'", "'self'", "'self'")
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("app.js", "text/javascript"), ("page.css", "text/css"), ("icon.svg", "image/svg+xml")],
)
def test_types_of_what_the_page_loads(client: TestClient, name: str, media_type: str) -> None:
    """Each file has the type without which a browser does not use it."""
    assert client.get(f"/static/page/{name}").headers["content-type"].split(";")[0] == media_type


def test_browser_asks_whether_its_copy_is_still_right(client: TestClient) -> None:
    """After an update of the service no old script runs, and a copy that is still right is not sent again."""
    first = client.get("/static/page/app.js")
    again = client.get("/static/page/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.headers["cache-control"], again.status_code) == ("no-cache", 304)


def test_page_needs_no_key(make_client: MakeClient) -> None:
    """The page itself asks for the key, so it is open with all that it loads; the API is not."""
    client = make_client(api_keys=(SecretStr("key"),))
    paths = ["/", *[f"/static/page/{name}" for name in NAMES]]
    assert {client.get(path, headers={"Accept": BROWSER}).status_code for path in paths} == {200}
    assert client.get("/api/v1/model").status_code == 401


def test_page_is_small() -> None:
    """All of it, uncompressed, is at most 150 kB."""
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= LARGEST_BYTES


@pytest.mark.parametrize("name", NAMES)
def test_page_names_no_other_host(name: str) -> None:
    """Nothing of it comes from elsewhere, and all addresses are relative, so that a path prefix does no harm."""
    text = (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"""https?://|(src|href)=["']/|fetch\(['"`]/""", text)
