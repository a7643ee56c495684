"""Every way to ask on the page, and the preparation that a person sees before."""

import base64
from collections.abc import Callable

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.picture_files import PIXELS, grey_png, save
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import LABEL, as_file, ask, choose, find_preview, photograph, read_images
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

_DROP = """content => {
    const data = new DataTransfer();
    data.items.add(new File([Uint8Array.from(atob(content), char => char.charCodeAt(0))], 'boot.jpg'));
    for (const type of ['dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""
_COPY = """content => {
    const blob = new Blob([Uint8Array.from(atob(content), char => char.charCodeAt(0))], {type: 'image/png'});
    return navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
}"""


def by_choosing(page: Page) -> None:
    choose(page, as_file(photograph()))


def by_dropping(page: Page) -> None:
    page.evaluate(_DROP, base64.b64encode(photograph()).decode())


def by_pasting(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(_COPY, base64.b64encode(photograph("PNG")).decode())
    page.keyboard.press("Control+V")


def by_photographing(page: Page) -> None:
    camera = page.get_by_label("Take a photo")
    expect(page.get_by_text("Take a photo")).to_be_visible()
    expect(camera).to_have_attribute("capture", "environment")
    camera.set_input_files([as_file(photograph())])


@pytest.mark.parametrize(
    ("put_in", "is_phone"),
    [(by_choosing, False), (by_dropping, False), (by_pasting, False), (by_photographing, True)],
    ids=["choosing", "dropping", "pasting", "photographing"],
)
def test_photograph_is_prepared_shown_and_answered(
    server: ServerProcess, open_page: OpenPage, put_in: Callable[[Page], None], *, is_phone: bool
) -> None:
    """A large picture, dark on light, is shown as the model gets it; once asked, the model sees what it shows."""
    page = open_page(server, has_touch=is_phone, is_mobile=is_phone)
    put_in(page)
    find_preview(page)
    expect(page.locator(".steps")).to_contain_text(
        "inverted (the edges looked lighter than the middle; press Keep if that is wrong)"
    )
    expect(page.locator(".answered")).to_contain_text("Not asked yet.")
    expect(ask(page).locator(".label")).to_contain_text(LABEL)


def test_only_phones_are_offered_a_camera(server: ServerProcess, open_page: OpenPage) -> None:
    """Where there is no camera at hand, there is no button for it."""
    expect(open_page(server).get_by_text("Take a photo")).to_be_hidden()


def test_drawing_is_answered_as_it_was_drawn(server: ServerProcess, open_page: OpenPage) -> None:
    """What the brush paints is what the model gets: soft at its rim, light on black, nothing changed."""
    page = open_page(server)
    page.get_by_role("button", name="Draw one").click()
    board = page.get_by_role("application", name="Drawing grid")
    box = board.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    drawn = board.locator("canvas").evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    )
    page.get_by_role("button", name="Use this drawing").click()
    find_preview(page)
    expect(page.locator(".steps")).to_contain_text("nothing else was changed")
    with page.expect_request("**/api/v1/predictions?*") as asked:
        ask(page)
    sent = read_images(asked.value)[0]
    assert decode(page, sent) == drawn
    assert {0, 220} < set(drawn)


def test_drawing_can_be_given_up(server: ServerProcess, open_page: OpenPage) -> None:
    """Cancel closes the grid and leads back to where it was opened; no picture is added."""
    page = open_page(server)
    page.get_by_role("button", name="Draw one").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("application", name="Drawing grid")).to_be_hidden()
    expect(page.get_by_role("button", name="Draw one")).to_be_focused()
    expect(page.get_by_role("article")).to_have_count(0)


def decode(page: Page, png: str) -> list[int]:
    """The grey values of a PNG in base64, row by row, as the browser reads them."""
    values: list[int] = page.evaluate(
        """async png => {
            const image = new Image();
            image.src = `data:image/png;base64,${png}`;
            await image.decode();
            const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
            context.drawImage(image, 0, 0);
            return [...context.getImageData(0, 0, image.width, image.height).data].filter((_, i) => i % 4 === 0);
        }""",
        png,
    )
    return values


def test_what_is_shown_is_what_is_asked(server: ServerProcess, open_page: OpenPage) -> None:
    """The model gets the image that the page shows, to the byte."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    shown = find_preview(page).get_attribute("src")
    with page.expect_request("**/api/v1/predictions?*") as asked:
        ask(page)
    assert [f"data:image/png;base64,{image}" for image in read_images(asked.value)] == [shown]


def test_picture_of_the_models_kind_is_left_as_it_is(server: ServerProcess, open_page: OpenPage) -> None:
    """28×28, grey and light on black needs no preparation, and none is done."""
    page = open_page(server)
    choose(page, as_file(grey_png(), "small.png"))
    find_preview(page)
    expect(page.locator(".steps")).to_have_text("28 × 28 pixels, grey: nothing else was changed.")
    with page.expect_request("**/api/v1/predictions?*") as asked:
        ask(page)
    assert decode(page, read_images(asked.value)[0]) == PIXELS.ravel().tolist()


@pytest.mark.parametrize(
    ("size", "words"),
    [((200, 196), "nothing else was changed"), ((200, 180), "fitted whole, with black beside it")],
    ids=["nearly square", "wide"],
)
def test_black_beside_a_picture_is_spoken_of_where_it_is_seen(
    server: ServerProcess, open_page: OpenPage, size: tuple[int, int], words: str
) -> None:
    """A crop by hand is never quite square; what is missing to it is less than one of the model's pixels."""
    page = open_page(server)
    choose(page, as_file(save(Image.new("L", size, 30), "PNG"), "plain.png"))
    find_preview(page)
    expect(page.locator(".steps")).to_have_text(f"28 × 28 pixels, grey: {words}.")


def test_several_are_asked_about_at_once(server: ServerProcess, open_page: OpenPage) -> None:
    """One request asks about all pictures as they are shown, and each has its own answer."""
    page = open_page(server)
    choose(page, as_file(photograph()), as_file(grey_png(), "grey.png"), as_file(photograph("PNG"), "boot.png"))
    with page.expect_response("**/api/v1/predictions?*") as answered:
        page.get_by_role("button", name="Ask about all 3").click()
    shown = [image.get_attribute("src") for image in page.locator(".given img").all()]
    assert [f"data:image/png;base64,{image}" for image in read_images(answered.value.request)] == shown
    labels = [prediction["label"] for prediction in answered.value.json()["predictions"]]
    expect(page.locator(".answer .label")).to_contain_text(labels)


def turn(page: Page) -> None:
    page.get_by_role("button", name="Turn right").click()


def invert(page: Page) -> None:
    page.get_by_role("radio", name="Keep").check()


def fill(page: Page) -> None:
    page.get_by_role("radio", name="Fill").check()


def stretch(page: Page) -> None:
    page.get_by_role("radio", name="Stretch").check()


def crop_by_dragging(page: Page) -> None:
    box = page.locator(".frame").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.9, steps=4)
    page.mouse.up()


def crop_by_a_corner(page: Page) -> None:
    box = page.locator(".crop i[data-corner=nw]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 5, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 40, steps=4)
    page.mouse.up()


def crop_by_an_edge(page: Page) -> None:
    page.get_by_text("Crop by its edges").click()
    page.get_by_label("Left").fill("25")


@pytest.mark.parametrize(
    ("change", "parameter", "words"),
    [
        (turn, "turn=90", "turned by 90°"),
        (invert, "invert=false", "grey: fitted whole"),
        (fill, "fit=cover", "made to fill the square"),
        (stretch, "fit=stretch", "stretched to the square"),
        (crop_by_dragging, "crop=0.2", "cropped"),
        (crop_by_a_corner, "crop=0.2", "cropped"),
        (crop_by_an_edge, "crop=0.25", "cropped"),
    ],
    ids=["turn", "invert", "fill", "stretch", "crop by dragging", "crop by a corner", "crop by an edge"],
)
def test_preparation_is_in_the_persons_hands(
    server: ServerProcess, open_page: OpenPage, change: Callable[[Page], None], parameter: str, words: str
) -> None:
    """Each control changes what the model gets, which is shown and described anew; an earlier answer goes."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    preview = find_preview(page)
    before = preview.get_attribute("src") or ""
    ask(page)
    with page.expect_request(lambda request: parameter in request.url):
        change(page)
    expect(page.locator(".steps")).to_contain_text(words)
    expect(preview).not_to_have_attribute("src", before)
    expect(page.locator(".answered")).to_have_text("Its answerNot asked yet.")


def test_inversion_by_hand_is_given_no_reason(server: ServerProcess, open_page: OpenPage) -> None:
    """What the page says of a picture that it did not judge itself is what was done, and no more."""
    page = open_page(server)
    choose(page, as_file(grey_png(), "grey.png"))
    find_preview(page)
    page.get_by_role("radio", name="Invert").check()
    expect(page.locator(".steps")).to_have_text("28 × 28 pixels, grey: inverted.")


def test_crop_is_undone(server: ServerProcess, open_page: OpenPage) -> None:
    """Uncrop can be pressed while something is cropped, and only then."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    uncrop = page.get_by_role("button", name="Uncrop")
    expect(uncrop).to_be_disabled()
    crop_by_dragging(page)
    expect(page.locator(".steps")).to_contain_text("cropped")
    uncrop.click()
    expect(page.locator(".steps")).not_to_contain_text("cropped")
    expect(uncrop).to_be_disabled()


def test_finger_crops_by_a_corner(server: ServerProcess, open_page: OpenPage) -> None:
    """A phone says how a finger crops, and a finger that does so is not taken for one that scrolls."""
    page = open_page(server, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740})
    choose(page, as_file(photograph()))
    find_preview(page)
    expect(page.get_by_text("Drag a corner of the picture to crop it.")).to_be_visible()
    corner = page.locator(".crop i[data-corner=nw]")
    corner.tap(trial=True)  # which waits until the page has scrolled to the picture
    box = corner.bounding_box()
    assert box is not None
    touch = page.context.new_cdp_session(page)
    with page.expect_request(lambda request: "crop=0.3" in request.url):  # as far as the finger went
        for moved in range(0, 90, 10):
            point = {"x": box["x"] + 20 + moved, "y": box["y"] + 20 + moved}
            kind = "touchMove" if moved else "touchStart"
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect(page.locator(".steps")).to_contain_text("cropped")


def test_turned_picture_keeps_its_crop(server: ServerProcess, open_page: OpenPage) -> None:
    """The part that was cropped turns with the picture."""
    page = open_page(server)
    choose(page, as_file(photograph()))
    find_preview(page)
    with page.expect_request(lambda request: "crop=0.25" in request.url):
        crop_by_an_edge(page)
    with page.expect_request(lambda request: "turn=90" in request.url) as asked:
        turn(page)
    assert "crop=0%2C0.25%2C1%2C0.75" in asked.value.url


def test_picture_can_be_removed(server: ServerProcess, open_page: OpenPage) -> None:
    """A picture that was removed is gone, and the others stay."""
    page = open_page(server)
    choose(page, as_file(photograph()), as_file(grey_png(), "grey.png"))
    page.get_by_role("button", name="Remove boot.jpg").click()
    expect(page.get_by_role("article")).to_have_count(1)
    expect(page.get_by_role("article", name="grey.png")).to_be_visible()
