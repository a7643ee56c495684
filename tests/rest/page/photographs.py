"""Pictures as people have them: large, in colour, dark on light."""

from functools import cache
from io import BytesIO

from PIL import Image, ImageOps
from playwright.sync_api import FilePayload, Locator, Page, Request, expect

from fashion_api.wire.examples import IMAGE_PNG
from tests.picture_files import save

LABEL = "Ankle boot"
"""What `photograph` shows."""


@cache
def photograph(kind: str = "JPEG") -> bytes:
    """A brown ankle boot on light paper, 1200×900, as a file of a type that Pillow knows by this name."""
    boot = Image.open(BytesIO(IMAGE_PNG)).resize((760, 760), Image.Resampling.BICUBIC)
    paper = Image.new("RGB", (1200, 900), (236, 232, 226))
    paper.paste(ImageOps.colorize(ImageOps.invert(boot), (40, 28, 20), (236, 232, 226)), (220, 70))
    return save(paper, kind)


def as_file(content: bytes, name: str = "boot.jpg") -> FilePayload:
    """Give a file as a file chooser gives it."""
    return {"name": name, "mimeType": "", "buffer": content}


def choose(page: Page, *files: FilePayload) -> None:
    """Choose files on the page."""
    page.get_by_label("Choose pictures").set_input_files(files)


def find_preview(page: Page | Locator) -> Locator:
    """Find what the model gets, once it is there."""
    preview = page.locator(".given img")
    expect(preview).to_have_js_property("naturalWidth", 28)
    return preview


def ask(page: Page | Locator) -> Locator:
    """Ask about the picture on the page, and find the answer."""
    page.get_by_role("button", name="Ask the model").click()
    answer = page.locator(".answer")
    expect(answer).to_be_visible()
    return answer


def read_images(request: Request) -> list[str]:
    """Read which images a request asks about, in base64."""
    body = request.post_data_json
    assert body is not None
    return list(body["images"])
