"""The documentation page, pressed through: every operation that can be tried there works."""

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from fashion_api.wire.examples import IMAGE_PNG
from tests.rest.page.conftest import OpenPage
from tests.rest.page.photographs import as_file
from tests.servers import ServerProcess

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]

REFERENCE = re.compile(r"#/components/(\w+)/([\w.-]+)")


def execute(operation: Locator, *, takes_file: bool) -> str:
    """Open an operation, give it a picture if it takes one, and press Execute; gives the answer's status."""
    operation.locator(".opblock-summary-control").dispatch_event("click")  # a mouse takes half a second on this page
    if takes_file:
        operation.locator("input[type=file]").set_input_files([as_file(IMAGE_PNG, "boot.png")])
    status = operation.locator(".live-responses-table tbody .response-col_status")
    operation.locator(".responses-inner .response").first.wait_for()  # until then it is drawn, and Execute may stick
    operation.get_by_role("button", name="Execute").click()
    expect(status).to_be_visible()
    answered = status.inner_text().strip()
    operation.locator(".opblock-summary-control").dispatch_event("click")  # the page is slow with all of them open
    return answered


def test_documentation_leads_back_to_the_page(server: ServerProcess, open_page: OpenPage) -> None:
    """Who came from the page to its API finds the way back."""
    page = open_page(server, "docs")
    page.get_by_role("link", name="Ask the model on its page").click()
    expect(page.get_by_role("heading", name="Which garment is this?")).to_be_visible()


def describe_part(document: dict[str, Any], tag: str) -> dict[str, Any]:
    """Give the description of the operations of one tag, with the parts that these refer to."""
    paths = {
        path: operations
        for path, item in document["paths"].items()
        if (operations := {method: operation for method, operation in item.items() if operation["tags"] == [tag]})
    }
    kept: dict[str, dict[str, Any]] = {kind: {} for kind in document["components"]}
    texts = [json.dumps(paths)]
    while texts:
        for kind, name in REFERENCE.findall(texts.pop()):
            if name not in kept[kind]:
                kept[kind][name] = document["components"][kind][name]
                texts.append(json.dumps(kept[kind][name]))
    return {**document, "paths": paths, "components": kept}


def test_every_operation_can_be_executed(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """Nothing has to be filled in before Execute is pressed but a picture file, and each answer is a success.

    The operations of each tag have a page to themselves: with all of them the page takes half a second for a click.
    """
    page = open_page(surveyed)
    document = page.request.get("openapi.json").json()
    described = [operation for item in document["paths"].values() for operation in item.values()]
    tags = {tag for operation in described for tag in operation["tags"]}
    part: dict[str, Any] = {}
    page.route("**/openapi.json", lambda route: route.fulfill(json=part))
    statuses = {}
    for tag in sorted(tags):
        part = describe_part(document, tag)
        page.goto(f"{surveyed.url}/docs")
        operations = page.locator(".opblock")
        expect(operations).to_have_count(sum(map(len, part["paths"].values())))
        for operation in operations.all():
            path = operation.locator(".opblock-summary-path").get_attribute("data-path") or ""
            method = (operation.locator(".opblock-summary-method").text_content() or "").lower()
            takes_file = "multipart/form-data" in part["paths"][path][method].get("requestBody", {}).get("content", {})
            statuses[f"{method} {path}"] = execute(operation, takes_file=takes_file)
    assert len(statuses) == len(described)
    assert {name: status for name, status in statuses.items() if status != "200"} == {}
