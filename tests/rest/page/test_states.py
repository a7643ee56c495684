"""What people meet when something is not as it should be: the page says what, and what to do."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from fashion_api.rest.problems import NOT_READY, OVERLOADED, Problem, ProblemKind, write_problem
from tests.picture_files import TEXT_FILE, grey_png, truncated_png
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import LABEL, as_file, ask, choose, find_preview, photograph
from tests.servers import ServerProcess, serve_app

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

KEY = "key-of-the-test"
PREFIX = "shop/fashion/"


@pytest.fixture(scope="module")
def guarded(real_settings: Mapping[str, str]) -> Iterator[ServerProcess]:
    """A service behind a path prefix that asks for a key, has no test set, and takes small files only."""
    settings = {
        **{name: value for name, value in real_settings.items() if name != "FASHION_DATA_DIR"},
        "FASHION_API_KEYS": KEY,
        "FASHION_ROOT_PATH": f"/{PREFIX.rstrip('/')}",
        "FASHION_MAX_UPLOAD_BYTES": "30000",
    }
    with serve_app("uvicorn", "tests.rest.page.without_test_set:app", **settings) as started:
        yield started


def give_key(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Use this key").click()


def refuse(page: Page, kind: ProblemKind, *, times: int) -> None:
    """Have the next requests for predictions answered with a problem, as the service writes it."""
    reply = write_problem(
        Problem(kind, kind.meaning), path="/api/v1/predictions", instance="/api/v1/predictions", request_id="0" * 32
    )
    decoded = {name.decode(): value.decode() for name, value in reply.headers}
    headers = {"content-type": reply.media_type, **decoded}

    def answer(route: Route) -> None:
        route.fulfill(status=reply.status, headers=headers, body=reply.body)

    page.route("**/api/v1/predictions?*", answer, times=times)


def test_key_is_asked_for_and_kept_out_of_the_address(guarded: ServerProcess, open_page: OpenPage) -> None:
    """A wrong key is asked for again, the right one opens the page, and it lasts as long as the tab."""
    page = open_page(guarded, PREFIX)
    expect(page.get_by_role("dialog", name="This service asks for a key")).to_be_visible()
    give_key(page, "wrong")
    expect(page.get_by_text("The service does not know that key.")).to_be_visible()
    give_key(page, KEY)
    expect(page.locator("footer")).to_contain_text("Model fashion_mnist")
    page.reload()
    expect(page.locator("footer")).to_contain_text("Model fashion_mnist")
    assert page.url == f"{guarded.url}/{PREFIX}"
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]


def test_key_that_cannot_be_one_is_not_taken(guarded: ServerProcess, open_page: OpenPage) -> None:
    """A key that no header can hold is not kept; blanks around a key, as pasting brings them, do not matter."""
    page = open_page(guarded)
    for key in ("ключ", "two words", " "):
        give_key(page, key)
        expect(page.get_by_role("dialog", name="This service asks for a key")).to_be_visible()
    give_key(page, f" {KEY} ")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.locator("#foot")).to_contain_text("version")


def test_key_that_is_not_given_can_be_given_later(guarded: ServerProcess, open_page: OpenPage) -> None:
    """Who has no key yet is told to ask for one, and comes back to the question."""
    page = open_page(guarded, PREFIX)
    page.get_by_role("button", name="Not now").click()
    expect(page.locator(".notice")).to_contain_text("The service asks for a key")
    page.get_by_role("button", name="Enter a key").click()
    give_key(page, KEY)
    expect(page.locator("footer")).to_contain_text("Model fashion_mnist")


def test_key_is_not_written_into_what_is_taken_away(guarded: ServerProcess, open_page: OpenPage) -> None:
    """The requests to be copied name a variable in place of the key."""
    page = open_page(guarded, PREFIX)
    give_key(page, KEY)
    choose(page, as_file(grey_png(), "grey.png"))
    find_preview(page)
    ask(page)
    page.get_by_text("Take it away").click()
    expect(page.locator(".takeaway pre")).to_contain_text("X-API-Key: $FASHION_API_KEY")
    expect(page.locator(".takeaway pre")).to_contain_text(f"{guarded.url}/{PREFIX}api/v1/predictions")
    assert KEY not in page.content()


def test_without_a_test_set_ones_own_pictures_are_answered(guarded: ServerProcess, open_page: OpenPage) -> None:
    """The page offers no test pictures, says in their view how to get them, and answers all the same."""
    page = open_page(guarded, PREFIX)
    give_key(page, KEY)
    choose(page, as_file(grey_png(), "grey.png"))
    find_preview(page)
    ask(page)
    expect(page.locator("#samples")).to_be_hidden()
    page.get_by_role("link", name="Test set").click()
    expect(page.locator(".notice")).to_contain_text("This service has no test set")
    expect(page.locator(".notice")).to_contain_text("sets FASHION_DATA_DIR")


def test_file_that_is_too_large_is_made_smaller(guarded: ServerProcess, open_page: OpenPage) -> None:
    """A photograph beyond the service's limit is sent smaller, and the page says so."""
    page = open_page(guarded, PREFIX)
    give_key(page, KEY)
    content = photograph("BMP")
    choose(page, as_file(content, "boot.bmp"))
    find_preview(page)
    expect(page.locator(".steps")).to_contain_text("made smaller to send it")
    expect(ask(page).locator(".label")).to_contain_text(LABEL)


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (TEXT_FILE, "note.txt", "Choose a PNG, JPEG, GIF, BMP or WebP file"),
        (truncated_png(), "broken.png", "save it anew"),
    ],
    ids=["a text", "a broken picture"],
)
def test_file_that_is_no_picture(
    server: ServerProcess, open_page: OpenPage, content: bytes, name: str, words: str
) -> None:
    """The page says what is wrong with a file and what to choose; the pictures beside it are not affected."""
    page = open_page(server)
    choose(page, as_file(content, name), as_file(grey_png(), "grey.png"))
    expect(page.get_by_role("article", name=name).locator(".notice")).to_contain_text(words)
    find_preview(page.get_by_role("article", name="grey.png"))


def test_file_that_is_gone_is_to_be_chosen_again(server: ServerProcess, open_page: OpenPage, tmp_path: Path) -> None:
    """A file that was deleted after it was chosen is not taken for a service that does not answer."""
    (tmp_path / "grey.png").write_bytes(grey_png())
    page = open_page(server)
    page.locator("#choose").set_input_files(tmp_path / "grey.png")
    find_preview(page)
    (tmp_path / "grey.png").unlink()
    page.get_by_role("button", name="Turn right").click()
    expect(page.locator(".notice")).to_contain_text("This file cannot be read")


def test_overloaded_service_can_be_asked_again(server: ServerProcess, open_page: OpenPage) -> None:
    """Nothing is lost when the service refuses a request: one press asks again."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    refuse(page, OVERLOADED, times=1)
    page.get_by_role("button", name="Ask the model").click()
    expect(page.locator(".notice")).to_contain_text("The service is busy")
    expect(page.locator(".answered")).to_contain_text("No answer yet.")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".label")).to_contain_text(LABEL)
    expect(page.locator(".notice")).to_have_count(0)


def test_starting_service_is_waited_for(server: ServerProcess, open_page: OpenPage) -> None:
    """While the service starts the page says so, and goes on by itself once it can."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    refuse(page, NOT_READY, times=2)
    page.get_by_role("button", name="Ask the model").click()
    expect(page.locator(".notice")).to_contain_text("The service is starting or stopping")
    expect(page.locator(".label")).to_contain_text(LABEL)


def test_picture_that_is_changed_without_a_connection_is_prepared_when_it_is_back(
    server: ServerProcess, open_page: OpenPage
) -> None:
    """Changed twice offline, it is prepared as it was changed last once the service answers."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    page.context.set_offline(offline=True)
    for _ in range(2):
        with page.expect_event("requestfailed", lambda request: "preparations" in request.url):
            page.get_by_role("button", name="Turn right").click()
    for _ in range(2):
        page.wait_for_event("requestfailed", lambda request: "preparations" in request.url)
    page.context.set_offline(offline=False)
    expect(page.locator(".steps")).to_contain_text("turned by 180°")


def test_changed_picture_is_not_asked_about_again(server: ServerProcess, open_page: OpenPage) -> None:
    """Of several pictures that are asked about again, one that is being prepared anew is left out."""
    page = open_page(server)
    choose(page, as_file(photograph()), as_file(grey_png(), "grey.png"))
    page.get_by_role("button", name="Ask about all 2").click(trial=True)
    refuse(page, OVERLOADED, times=1)
    page.get_by_role("button", name="Ask about all 2").click()
    page.route("**/api/v1/preparations?*", lambda route: route.abort())
    page.get_by_role("article", name="grey.png").get_by_role("button", name="Turn right").click()
    page.locator("#intake-notices").get_by_role("button", name="Try again").click()
    expect(page.locator(".label")).to_contain_text(LABEL)


def test_page_without_a_connection_goes_on_when_it_is_back(server: ServerProcess, open_page: OpenPage) -> None:
    """Offline, the page says so and keeps the pictures; back online, it goes on by itself."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    page.context.set_offline(offline=True)
    page.get_by_role("button", name="Ask the model").click()
    expect(page.locator(".notice")).to_contain_text("The service does not answer")
    page.context.set_offline(offline=False)
    expect(page.locator(".label")).to_contain_text(LABEL)
