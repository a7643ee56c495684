"""The documentation page, pressed through: every operation that can be tried there works."""

from contextlib import suppress

import pytest
from playwright.sync_api import Locator, expect
from playwright.sync_api import TimeoutError as TooLateError

from fashion_api.wire.examples import IMAGE_PNG
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import as_file
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

_PRESS_MS = 5000


def execute(operation: Locator, *, takes_file: bool) -> str:
    """Open an operation, give it a picture if it takes one, and press Execute; gives the answer's status."""
    operation.locator(".opblock-summary-control").dispatch_event("click")  # a mouse takes half a second on this page
    if takes_file:
        operation.locator("input[type=file]").set_input_files([as_file(IMAGE_PNG, "boot.png")])
    status = operation.locator(".live-responses-table tbody .response-col_status")
    button = operation.get_by_role("button", name="Execute")
    button.click()
    with suppress(TooLateError):
        status.wait_for(timeout=_PRESS_MS)
    if not status.is_visible():  # it was pressed while the operation was still being drawn
        button.click()
    expect(status).to_be_visible()
    answered = status.inner_text().strip()
    operation.locator(".opblock-summary-control").dispatch_event("click")  # the page is slow with all of them open
    return answered


def test_documentation_leads_back_to_the_page(server: ServerProcess, open_page: OpenPage) -> None:
    """Who came from the page to its API finds the way back."""
    page = open_page(server, "docs")
    page.get_by_role("link", name="Ask the model on its page").click()
    expect(page.get_by_role("heading", name="Which garment is this?")).to_be_visible()


def test_every_operation_can_be_executed(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """Nothing has to be filled in before Execute is pressed but a picture file, and each answer is a success."""
    page = open_page(surveyed, "docs")
    operations = page.locator(".opblock")
    expect(operations.first).to_be_visible()
    described = page.request.get("openapi.json").json()["paths"]
    expect(operations).to_have_count(sum(len(item) for item in described.values()))
    statuses = {}
    sections = page.locator(".opblock-tag-section").all()
    for section in sections:
        section.locator(".opblock-tag").dispatch_event("click")  # the page is slow with all of them open
    for section in sections:
        section.locator(".opblock-tag").dispatch_event("click")
        for operation in section.locator(".opblock").all():
            path = operation.locator(".opblock-summary-path").get_attribute("data-path") or ""
            method = (operation.locator(".opblock-summary-method").text_content() or "").lower()
            described_operation = described[path][method]
            takes_file = "multipart/form-data" in described_operation.get("requestBody", {}).get("content", {})
            statuses[f"{method} {path}"] = execute(operation, takes_file=takes_file)
        section.locator(".opblock-tag").dispatch_event("click")
    assert len(statuses) == sum(len(item) for item in described.values())
    assert {name: status for name, status in statuses.items() if status != "200"} == {}
