"""A real browser, and real services for it.

The fixtures that hold a browser end with this package: Playwright's event loop runs in the tests' own thread, and tests
elsewhere start loops of theirs.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from time import monotonic, sleep
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.servers import ServerProcess, serve

OpenPage = Callable[..., Page]
"""Opens a page at a service's address and a path: `open_page(server, "#browse", color_scheme="dark")`."""

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",  # it does not work for root, nor in many containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LIMIT_MS = 30_000
_SURVEY_LIMIT_S = 120
_PAUSE_S = 0.2


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, where it is installed; `.ci/run` sees to it that it is."""
    path = next(filter(None, map(shutil.which, _NAMES)), None)
    if path is None:
        pytest.skip(f"none of {', '.join(_NAMES)} is installed: the page is not tested in a browser")
    expect.set_options(timeout=_LIMIT_MS)
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=_FLAGS) as started:
        yield started


@pytest.fixture(scope="package")
def real_settings(browser: Browser, request: pytest.FixtureRequest) -> Mapping[str, str]:  # noqa: ARG001  # see below
    """Settings of the committed model and the real data; no model is compiled where there is no browser."""
    settings: Mapping[str, str] = request.getfixturevalue("real_service")
    return settings


@pytest.fixture(scope="package")
def server(real_settings: Mapping[str, str]) -> Iterator[ServerProcess]:
    """The service as it is served by default, with the committed model and the whole test set."""
    with serve(**real_settings) as started:
        yield started


@pytest.fixture(scope="package")
def surveyed(server: ServerProcess) -> ServerProcess:
    """The same service, once it has the predictions for the whole test set."""
    with server.connect() as client:
        deadline = monotonic() + _SURVEY_LIMIT_S
        while client.get("/api/v1/confusion-matrix").status_code != httpx2.codes.OK:
            assert monotonic() < deadline
            sleep(_PAUSE_S)
    return server


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages of contexts of their own; whatever they did, they asked no other host and broke no rule of theirs."""
    opened: list[Page] = []
    faults: list[str] = []
    hosts: set[str] = set()

    def watch(message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            faults.append(message.text)

    def open_at(server: ServerProcess, path: str = "", **options: object) -> Page:
        page = browser.new_context(base_url=server.url, **options).new_page()  # type: ignore[arg-type]  # Playwright's own
        page.set_default_timeout(_LIMIT_MS)
        page.on("console", watch)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(f"{server.url}/{path}")
        opened.append(page)
        return page

    yield open_at
    asked = {urlsplit(page.url).netloc for page in opened} | {""}  # of blob: and data: addresses
    for page in opened:
        page.context.close()
    assert (faults, hosts - asked) == ([], set())
