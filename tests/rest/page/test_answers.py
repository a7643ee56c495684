"""The answer on the page, and what a person takes away from it."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.picture_files import grey_png
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import LABEL, as_file, ask, choose, find_preview, photograph
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

_SAID_FOR_MS = 2000
"""So long a button says that it has copied."""
_IS_COLOURED = """canvas => {
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.some((value, i) => i % 4 === 0 && Math.abs(value - data[i + 2]) > 60);
}"""


def answer_for(page: Page, content: bytes) -> tuple[Locator, dict[str, Any]]:
    """Ask about a picture; gives the answer as it is shown, and as the service gave it."""
    choose(page, as_file(content))
    find_preview(page)
    with page.expect_response("**/api/v1/predictions?*") as answered:
        shown = ask(page)
    return shown, answered.value.json()


def test_accepted_picture(server: ServerProcess, open_page: OpenPage) -> None:
    """The label, every class's probability, the set, that it is accepted, its novelty, the time and the model."""
    shown, answered = answer_for(open_page(server), photograph())
    prediction = answered["predictions"][0]
    assert prediction["accepted"] is True
    expect(shown.locator(".label")).to_contain_text(LABEL)
    expect(shown.locator(".verdict")).to_contain_text("Accepted")
    expect(shown.locator(".bars tr")).to_have_count(10)
    expect(shown.locator(".bars tr").first).to_contain_text(f"{100 * prediction['probability']:.1f} %")
    expect(shown.locator(".bars .in-set")).to_have_count(len(prediction["prediction_set"]))
    expect(shown.locator(".set b")).to_have_text(" or ".join(prediction["prediction_set"]))
    expect(shown.locator(".novelty b")).to_have_text(f"Novelty {prediction['novelty']:.2f}")
    expect(shown.locator(".facts")).to_contain_text(" ms, from here to the service and back")
    expect(shown.locator(".facts")).to_contain_text(answered["model"]["version"])


def test_refused_picture_says_why(server: ServerProcess, open_page: OpenPage) -> None:
    """A picture of no article has no answer but a guess, no promise, and advice on what to do."""
    shown, answered = answer_for(open_page(server), grey_png())
    prediction = answered["predictions"][0]
    assert prediction["accepted"] is False
    expect(shown.locator(".label")).to_have_text(f"Perhaps {prediction['label']}")
    expect(shown.locator(".verdict")).to_contain_text("The model does not recognise this picture.")
    expect(shown.locator(".verdict")).to_contain_text("Crop closely, or try Keep or Invert")
    expect(shown.locator(".set")).to_contain_text("the promise of 95 of 100 does not hold for it")
    expect(shown.locator(".set b")).to_have_count(0)
    expect(shown.locator(".novelty")).to_contain_text("unlike what the model was trained on")


def test_refused_test_picture_has_no_advice_on_photographs(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """Nothing can be done about a picture of the test set, so nothing is advised."""
    page = open_page(surveyed, "#browse?accepted=false")
    page.locator("#browse-grid a").first.click()
    expect(page.locator(".answer .label")).to_contain_text("Perhaps ")
    expect(page.locator(".verdict").last).to_have_text(
        "The model does not recognise this picture. Its answer is a guess."
    )


def test_model_without_novelty_says_so(server: ServerProcess, open_page: OpenPage) -> None:
    """Where nothing is accepted or refused, nobody takes the answer for one that was checked."""
    page = open_page(server)

    def leave_out_novelty(route: Route) -> None:
        answered = route.fetch().json()
        answered["predictions"][0] |= {"novelty": None, "accepted": None, "reason": None, "reasons": None}
        route.fulfill(json=answered)

    page.route("**/api/v1/predictions?*", leave_out_novelty)
    shown, _ = answer_for(page, photograph())
    expect(shown).to_contain_text("This model does not judge whether a picture is like those it knows.")
    expect(shown.locator(".verdict, .novelty")).to_have_count(0)


def test_coverage_is_chosen(server: ServerProcess, open_page: OpenPage) -> None:
    """Another coverage has the set asked for anew, and holds for the next picture too."""
    page = open_page(server)
    shown, _ = answer_for(page, grey_png())
    with page.expect_response("**/api/v1/predictions?coverage=0.99") as answered:
        shown.get_by_role("radio", name="99 %").check()
    expected = answered.value.json()["predictions"][0]["prediction_set"]
    expect(page.locator(".bars .in-set")).to_have_count(len(expected))
    expect(page.locator(".set small")).to_contain_text("99 of 100")
    expect(page.get_by_role("radio", name="99 %")).to_be_focused()
    choose(page, as_file(photograph(), "next.jpg"))
    with page.expect_request("**/api/v1/predictions?coverage=0.99"):
        page.get_by_role("button", name="Ask the model").click()


def test_late_answer_names_the_coverage_that_it_was_asked_for(server: ServerProcess, open_page: OpenPage) -> None:
    """An answer that comes after another coverage was chosen promises what it was asked for."""
    page = open_page(server)
    choose(page, as_file(photograph(), "late.jpg"), as_file(grey_png(), "grey.png"))
    late, grey = (page.get_by_role("article", name=name) for name in ("late.jpg", "grey.png"))
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/api/v1/predictions?coverage=0.95", hold, times=1)
    with page.expect_request("**/api/v1/predictions?*"):
        late.get_by_role("button", name="Ask the model").click()
    ask(grey)
    with page.expect_response("**/api/v1/predictions?coverage=0.9"):
        grey.get_by_role("radio", name="90 %").check()
    held[0].continue_()
    expect(late.locator(".set small")).to_contain_text("95 of 100")
    expect(late.get_by_role("radio", name="95 %")).to_be_checked()


def test_heat_map_colours_what_mattered(server: ServerProcess, open_page: OpenPage) -> None:
    """The picture is coloured where covering it changes the answer, and words say where that is."""
    page = open_page(server)
    shown, _ = answer_for(page, photograph())
    shown.get_by_role("button", name="Show what mattered").click()
    heat_map = shown.get_by_role("img", name="Heat map")
    expect(heat_map).to_be_visible()
    assert heat_map.evaluate(_IS_COLOURED)
    expect(shown.locator(".heat-words")).to_contain_text(f"What mattered for {LABEL}")


def take(page: Page, kind: str) -> str:
    """Copy what is there to be taken away, by its button."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    if not page.locator(".takeaway pre").is_visible():
        page.get_by_text("Take it away").click()
    page.get_by_role("radio", name=kind).check()
    page.get_by_role("button", name="Copy", exact=True).click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied: str = page.evaluate("navigator.clipboard.readText()")
    page.clock.run_for(_SAID_FOR_MS)
    expect(page.get_by_role("button", name="Copy", exact=True)).to_be_visible()
    return copied


def run_curl(_page: Page, text: str) -> object:
    shell = shutil.which("bash")
    if shutil.which("curl") is None or shell is None:
        pytest.skip("no curl")
    run = subprocess.run([shell, "-c", f"{text} -s"], capture_output=True, check=True)  # noqa: S603  # what the page shows
    return json.loads(run.stdout)


def run_python(_page: Page, text: str) -> object:
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, text=True)  # noqa: S603  # the same
    return ast.literal_eval(run.stdout)


def run_javascript(page: Page, text: str) -> object:
    return page.evaluate(
        f"async () => {{ let said; const console = {{log: value => said = value}}; {text}; return said; }}"
    )


@pytest.mark.parametrize("path", ["", "#test/3"], ids=["picture of one's own", "test picture"])
@pytest.mark.parametrize(
    ("kind", "run"),
    [("curl", run_curl), ("Python", run_python), ("JavaScript", run_javascript)],
    ids=["curl", "Python", "JavaScript"],
)
def test_request_that_was_taken_away_gets_the_answer(
    server: ServerProcess, open_page: OpenPage, path: str, kind: str, run: Callable[[Page, str], Any]
) -> None:
    """The request that is copied runs as it is, and its answer is the one that is copied as JSON."""
    page = open_page(server, path)
    page.clock.install()
    if not path:
        answer_for(page, photograph())
    assert run(page, take(page, kind)) == json.loads(take(page, "The answer"))


def test_changed_model_is_taken_over(server: ServerProcess, open_page: OpenPage) -> None:
    """When an answer is of another version than the page knows, the page asks for the model's card and shows it."""

    def change(route: Route) -> None:
        answered = route.fetch().json()
        route.fulfill(json=answered | {"model": {"name": "second", "version": "0" * 12}})

    def change_card(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"name": "second", "version": "0" * 12})

    page = open_page(server)
    expect(page.locator("#foot")).to_contain_text("version ")
    page.route("**/api/v1/predictions?*", change)
    page.route("**/api/v1/model", change_card)
    answer_for(page, photograph())
    expect(page.locator("#foot")).to_contain_text("second, version 000000000000")


def test_button_that_is_pressed_twice_says_copy_again(server: ServerProcess, open_page: OpenPage) -> None:
    """It says for two seconds that it has copied, however often it is pressed."""
    page = open_page(server, "#test/3")
    page.clock.install()
    page.get_by_text("Take it away").click()
    button = page.locator(".takeaway-bar > button")
    for _ in range(2):
        button.click()
        expect(button).to_have_text("Copied")
    page.clock.run_for(2 * _SAID_FOR_MS)
    expect(button).to_have_text("Copy")
