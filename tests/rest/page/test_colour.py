"""The page of a model in colour, of another data set's labels."""

import base64
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Route, expect

from tests.fakes import COLOUR_LABELS
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import as_file, ask, choose, photograph, read_images
from tests.servers import ServerProcess, serve_app

pytestmark = pytest.mark.browser

_PREPARED_MS = 500
"""In which a picture is prepared, where nothing is waited for."""


@pytest.fixture(scope="module")
def in_colour(browser: Browser) -> Iterator[ServerProcess]:  # noqa: ARG001  # nothing is served where there is none
    with serve_app("uvicorn", "tests.rest.page.in_colour:app") as started:
        yield started


def decode(text: str) -> np.ndarray:
    with Image.open(BytesIO(base64.b64decode(text))) as image:
        assert image.mode == "RGB"
        return np.asarray(image)


def test_photograph_keeps_its_colours(in_colour: ServerProcess, open_page: OpenPage) -> None:
    """A JPEG of any size is shown as the model gets it, in colour and not inverted, is answered, and explained."""
    page = open_page(in_colour)
    expect(page.get_by_role("heading", name="What is this?")).to_be_visible()
    choose(page, as_file(photograph()))
    expect(page.locator(".given img")).to_have_js_property("naturalWidth", 32)
    expect(page.locator(".steps")).to_have_text("32 × 32 pixels, in colour: fitted whole, with black beside it.")
    expect(page.get_by_text("Light and dark")).to_be_hidden()
    with page.expect_request("**/predictions?*") as asked:
        answer = ask(page)
    sent = decode(read_images(asked.value)[0])
    assert sent.shape == (32, 32, 3)
    np.testing.assert_allclose(sent[16, 2].astype(int), (236, 232, 226), atol=4)  # the paper
    expect(answer.locator(".bars th")).to_have_text([COLOUR_LABELS[0], *COLOUR_LABELS[1:]])
    answer.get_by_role("button", name="Show what mattered").click()
    heat = answer.locator(".heat canvas")
    expect(heat).to_have_js_property("width", 32)
    answer.get_by_text("Take it away").click()
    expect(answer.locator("pre")).to_contain_text(read_images(asked.value)[0])


def test_picture_that_is_there_before_the_model_is_known_has_its_controls(
    in_colour: ServerProcess, open_page: OpenPage
) -> None:
    """A person may choose a picture while the page still waits for the model's card."""
    page = open_page(in_colour)
    held: list[Route] = []
    page.route("**/api/v1/model", lambda route: held.append(route))  # noqa: PLW0108  # Playwright sets an attribute on it
    page.reload()
    choose(page, as_file(photograph()))
    expect(page.get_by_role("group", name="Fit")).to_be_visible()
    page.wait_for_timeout(_PREPARED_MS)
    expect(page.locator(".steps")).to_be_empty()
    held.pop().continue_()
    expect(page.get_by_role("heading", name="What is this?")).to_be_visible()
    expect(page.get_by_role("group", name="Light and dark")).to_have_count(0)
    expect(page.locator(".steps")).to_contain_text("32 × 32 pixels, in colour")


def test_drawing_is_of_three_equal_channels(in_colour: ServerProcess, open_page: OpenPage) -> None:
    """What is drawn in greys is given to the model as such, in the model's size."""
    page = open_page(in_colour)
    page.get_by_role("button", name="Draw one").click()
    expect(page.get_by_role("heading", name="Draw on 32 × 32 pixels")).to_be_visible()
    page.get_by_label("Drawing grid").press("Space")
    page.get_by_role("button", name="Use this drawing").click()
    expect(page.locator(".given img")).to_have_js_property("naturalWidth", 32)
    with page.expect_request("**/predictions?*") as asked:
        ask(page)
    sent = decode(read_images(asked.value)[0])
    assert sent[16, 16].tolist() == [220] * 3
    assert (sent == sent[..., :1]).all()


def test_test_set_is_shown_in_colour(in_colour: ServerProcess, open_page: OpenPage) -> None:
    """A test picture is shown with its colours, beside the model's answer."""
    page = open_page(in_colour, "#test/13")
    expect(page.get_by_role("heading", name="It shows: cat")).to_be_visible()
    image = page.locator("[data-view=test] .given img")
    expect(image).to_have_js_property("naturalWidth", 32)
    pixels = decode((image.get_attribute("src") or "").partition(",")[2])
    assert pixels[20, 10].tolist() == [160, 80, 104]
    expect(page.locator(".answer .label")).to_contain_text("cat")
    expect(page.locator(".answer")).to_contain_text("it looks like those that the model knows")
