"""The documentation page, pressed through: every operation that can be tried there works."""

import pytest
from playwright.sync_api import Locator, expect

from fashion_api.wire.examples import IMAGE_PNG
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import as_file
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]


def execute(operation: Locator) -> str:
    """Open an operation, give it a picture where it asks for one, and press Execute; gives the answer's status."""
    operation.locator(".opblock-summary-control").click()
    button = operation.get_by_role("button", name="Execute")
    expect(button).to_be_visible()
    file = operation.locator("input[type=file]")
    if file.count():
        file.set_input_files([as_file(IMAGE_PNG, "boot.png")])
    button.click()
    status = operation.locator(".live-responses-table tbody .response-col_status")
    expect(status).to_be_visible()
    answered = status.inner_text().strip()
    operation.locator(".opblock-summary-control").click()  # closed: the page is slow with all of them open
    return answered


def test_every_operation_can_be_executed(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """Nothing has to be filled in before Execute is pressed but a picture file, and each answer is a success."""
    page = open_page(surveyed, "docs")
    operations = page.locator(".opblock")
    expect(operations.first).to_be_visible()
    described = page.request.get("openapi.json").json()["paths"]
    expect(operations).to_have_count(sum(len(item) for item in described.values()))
    statuses = {each.locator(".opblock-summary-path").inner_text(): execute(each) for each in operations.all()}
    assert {path: status for path, status in statuses.items() if status != "200"} == {}
