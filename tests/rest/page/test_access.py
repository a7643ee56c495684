"""The page for everyone: keyboard alone, a screen reader, a narrow screen, light and dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.picture_files import TEXT_FILE, grey_png
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import LABEL, as_file, ask, choose, find_preview, photograph
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

_FOCUSED = """() => {
    const {activeElement: element} = document;
    const label = element.labels?.[0];
    return [element.textContent.trim(), element.getAttribute('aria-label') ?? '', label?.textContent.trim() ?? ''];
}"""


def show_start(page: Page) -> None:
    expect(page.locator("#samples")).to_be_visible()


def show_drawing(page: Page) -> None:
    page.get_by_role("button", name="Draw one").click()


def show_everything_of_an_answer(page: Page) -> None:
    choose(page, as_file(photograph()))
    find_preview(page)
    edges = page.get_by_text("Crop by its edges")
    if not edges.is_visible():  # on a narrow screen
        page.get_by_text("Adjust").click()
    edges.click()
    answer = ask(page)
    answer.get_by_text("Take it away").click()
    answer.get_by_role("button", name="Show what mattered").click()
    expect(answer.get_by_role("img", name="Heat map")).to_be_visible()


def show_refusals(page: Page) -> None:
    choose(page, as_file(TEXT_FILE, "note.txt"), as_file(grey_png(), "grey.png"))
    expect(page.locator(".notice")).to_be_visible()
    find_preview(page.get_by_role("article", name="grey.png"))
    ask(page.get_by_role("article", name="grey.png"))


def show_test_set(page: Page) -> None:
    page.get_by_role("link", name="Test set").click()
    expect(page.locator("#browse-grid li")).to_have_count(60)


def show_confusions(page: Page) -> None:
    page.get_by_role("link", name="Confusions").click()
    expect(page.locator(".matrix")).to_be_visible()


def show_test_picture(page: Page) -> None:
    page.locator("#samples a").first.click()
    expect(page.locator(".answer")).to_be_visible()


def show_key_form(page: Page) -> None:
    page.route("**/api/v1/model", lambda route: route.fulfill(status=401, json={"type": "/problems#unauthorized"}))
    page.reload()
    expect(page.get_by_role("dialog")).to_be_visible()


all_views = pytest.mark.parametrize(
    "show",
    [
        show_start,
        show_drawing,
        show_everything_of_an_answer,
        show_refusals,
        show_test_set,
        show_confusions,
        show_test_picture,
        show_key_form,
    ],
)


@all_views
def test_axe_finds_no_barrier(surveyed: ServerProcess, open_page: OpenPage, show: object) -> None:
    """axe-core finds no violation in any view: names, roles, contrast, order, in light and in dark."""
    page = open_page(surveyed, color_scheme="light")
    assert callable(show)
    show(page)
    assert find_barriers(page) == {}
    page.emulate_media(color_scheme="dark")
    assert find_barriers(page) == {}


def find_barriers(page: Page) -> dict[str, list[str]]:
    """Give the elements that break a rule of axe-core's, by rule."""
    found = Axe().run(page).response["violations"]
    return {each["id"]: [node["html"] for node in each["nodes"]] for each in found}


@all_views
def test_narrow_screen_is_scrolled_one_way_only(surveyed: ServerProcess, open_page: OpenPage, show: object) -> None:
    """At 360 pixels nothing sticks out to the side."""
    page = open_page(surveyed, viewport={"width": 360, "height": 740})
    assert callable(show)
    show(page)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def tab_to(page: Page, name: str) -> None:
    """Go to what has this name by the tabulator key alone."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if name in page.evaluate(_FOCUSED):
            return
    pytest.fail(f"no way to {name!r} with the keyboard")


def test_keyboard_alone_draws_prepares_and_asks(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """From an empty page to an answer without a pointer: draw, invert, crop, ask, and read the answer."""
    page = open_page(surveyed)
    show_start(page)
    tab_to(page, "Draw one")
    page.keyboard.press("Enter")
    for key in ["Space", "ArrowRight", "ArrowRight", "Space", "ArrowDown", "Space", "e"]:
        page.keyboard.press(key)
    tab_to(page, "Use this drawing")
    page.keyboard.press("Enter")
    first = find_preview(page).get_attribute("src") or ""
    tab_to(page, "Keep")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".given img")).not_to_have_attribute("src", first)
    tab_to(page, "Crop by its edges")
    page.keyboard.press("Enter")
    tab_to(page, "Left")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".steps")).to_contain_text("cropped")
    tab_to(page, "Ask the model")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Its answer")).to_be_focused()
    tab_to(page, "Show what mattered")
    page.keyboard.press("Enter")
    expect(page.locator(".heat-words")).to_be_focused()
    tab_to(page, "Take it away")
    page.keyboard.press("Enter")
    expect(page.locator(".takeaway pre")).to_be_visible()


def test_phone_shows_how_to_ask_once_a_picture_is_chosen(server: ServerProcess, open_page: OpenPage) -> None:
    """The picture, what the model gets and the button to ask about it are in sight without scrolling."""
    page = open_page(server, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    choose(page, as_file(photograph()))
    for part in [page.locator(".frame"), find_preview(page), page.get_by_role("button", name="Ask the model")]:
        expect(part).to_be_in_viewport(ratio=1)


def test_file_chooser_opens_by_keyboard(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """The button to choose pictures is reached and pressed by keyboard."""
    page = open_page(surveyed)
    show_start(page)
    tab_to(page, "Choose pictures")
    listen = "addEventListener('click', (event) => { globalThis.asked = event.target.multiple; })"
    page.evaluate(f"document.getElementById('choose').{listen}")
    page.keyboard.press("Enter")
    page.wait_for_function("globalThis.asked === true")


def test_answer_is_said_to_a_screen_reader(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """What changes without the focus moving is said: that a picture was added, and its answer."""
    page = open_page(surveyed)
    said = page.locator("#announcer")
    choose(page, as_file(photograph()))
    expect(said).to_have_text("boot.jpg was added.")
    find_preview(page)
    ask(page)
    expect(said).to_contain_text(f"boot.jpg: {LABEL}, ")


def test_view_that_is_opened_has_the_focus(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """A screen reader begins to read where the new view begins."""
    page = open_page(surveyed)
    show_test_set(page)
    expect(page.get_by_role("heading", name="The test set")).to_be_focused()
