"""The test set on the page: its pictures with their answers, the confusion matrix, and links to a picture."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import httpx2
import pytest
from playwright.sync_api import expect

from tests.rest.page.conftest import OpenPage
from tests.servers import ServerProcess, serve

pytestmark = [pytest.mark.browser, pytest.mark.tensorflow]


@pytest.fixture
def service(surveyed: ServerProcess) -> Iterator[httpx2.Client]:
    """A client of the service, to know what the page has to show."""
    with surveyed.connect() as client:
        yield client


def find_items(service: httpx2.Client, **query: str | int) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/api/v1/test-images", params=query).raise_for_status().json()
    return found


def read_count(total: int) -> "re.Pattern[str]":
    return re.compile(rf"of {total:,}$")


class Choice(NamedTuple):
    """One control of the page, and what it asks the service for."""

    control: str
    option: str
    query: Mapping[str, str]


@pytest.mark.parametrize(
    "choice",
    [
        Choice("Shows", "Bag", {"label": "Bag"}),
        Choice("Model says", "Shirt", {"predicted": "Shirt"}),
        Choice("Answer", "Wrong", {"correct": "false"}),
        Choice("Picture", "Refused", {"accepted": "false"}),
        Choice("Order", "Least sure first", {"sort": "confidence"}),
    ],
    ids=["class", "predicted class", "wrong", "refused", "confidence"],
)
def test_pictures_are_found_by_what_they_are_and_what_the_model_sees(
    surveyed: ServerProcess, open_page: OpenPage, service: httpx2.Client, choice: Choice
) -> None:
    """Each control shows the pictures that the service finds, in its order, with their answers."""
    page = open_page(surveyed, "#browse")
    page.get_by_role("combobox", name=choice.control, exact=True).select_option(choice.option)
    expected = find_items(service, **{"sort": "index", **choice.query})
    first = expected["items"][0]
    expect(page.locator("#browse-count")).to_have_text(read_count(expected["total"]))
    shown = page.locator("#browse-grid li").first
    expect(shown.get_by_role("link")).to_have_attribute("href", f"#test/{first['index']}")
    expect(shown).to_contain_text(first["label"])
    expect(shown.get_by_text("wrong", exact=True)).to_have_count(0 if first["correct"] else 1)
    expect(shown.get_by_text("refused", exact=True)).to_have_count(0 if first["accepted"] else 1)
    expect(shown.locator("img")).to_have_js_property("naturalWidth", 28)


def test_pages_follow_one_another(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """The next page goes on where the last one ends; going back in the browser goes back."""
    page = open_page(surveyed, "#browse")
    page.get_by_role("link", name="Next").click()
    expect(page.locator("#browse-count")).to_have_text("61 to 120 of 10,000")
    page.go_back()
    expect(page.locator("#browse-count")).to_have_text("1 to 60 of 10,000")


def test_page_beyond_the_last_one_says_so(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """A link to a page that there is no longer, as of another model's mistakes, names no pictures."""
    page = open_page(surveyed, "#browse?offset=10020")
    expect(page.locator("#browse-count")).to_have_text("None is like that.")


def test_cell_of_the_confusion_matrix_leads_to_its_pictures(
    surveyed: ServerProcess, open_page: OpenPage, service: httpx2.Client
) -> None:
    """The matrix is the service's, and a cell shows as many pictures as it counts."""
    matrix = service.get("/api/v1/confusion-matrix").raise_for_status().json()["matrix"]
    page = open_page(surveyed, "#confusion")
    rows = page.locator(".matrix tbody tr")
    expect(rows).to_have_count(10)
    shown = [row.locator("td").all_inner_texts()[:10] for row in rows.all()]
    assert shown == [[str(number) if number else "·" for number in row] for row in matrix]
    page.get_by_role("link", name="Shirt seen as T-shirt/top").click()
    expect(page.locator("#browse-count")).to_have_text(read_count(matrix[6][0]))
    expect(page.get_by_role("combobox", name="Shows", exact=True)).to_have_value("Shirt")


@pytest.mark.parametrize(
    ("mistaken", "summary"),
    [
        (0, "100.00 % right of 8. 1 is refused."),
        (1, "88.89 % right of 9. Most often mistaken: cat for dog, once. 1 is refused."),
        (2, "80.00 % right of 10. Most often mistaken: cat for dog, 2 times. 1 is refused."),
    ],
)
def test_confusions_are_summed_up(mistaken: int, summary: str, server: ServerProcess, open_page: OpenPage) -> None:
    """The matrix begins with a sentence on its mistakes, if there are any."""
    found = {"labels": ["cat", "dog"], "matrix": [[4, mistaken], [0, 4]], "refused": [1, 0], "total": 8 + mistaken}
    page = open_page(server)
    page.route("**/api/v1/confusion-matrix", lambda route: route.fulfill(json=found))
    page.get_by_role("link", name="Confusions").click()
    expect(page.locator("#confusion-matrix .summary")).to_have_text(summary)


def test_link_leads_to_a_picture_with_its_answer(
    surveyed: ServerProcess, open_page: OpenPage, service: httpx2.Client
) -> None:
    """An address with an index shows that picture, what it shows, and whether the model is right."""
    answer = service.get("/api/v1/test-images/42/prediction").raise_for_status().json()
    page = open_page(surveyed, "#test/42")
    expect(page.locator(".label")).to_contain_text(answer["prediction"]["label"])
    expect(page.get_by_role("heading", name=f"It shows: {answer['actual']}")).to_be_visible()
    expect(page.locator(".verdict").first).to_contain_text("Right" if answer["correct"] else "Wrong")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", name="Test picture 43")).to_be_visible()
    page.get_by_role("link", name="Test set").click()
    page.get_by_label("Number of a picture").fill("7")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="Test picture 7")).to_be_visible()


def test_index_beyond_the_test_set(surveyed: ServerProcess, open_page: OpenPage) -> None:
    """A link to no picture says so."""
    expect(open_page(surveyed, "#test/10000").locator(".notice")).to_contain_text("There is no such picture")


@pytest.mark.parametrize("fragment", ["#nowhere", "#constructor", "#__proto__"])
def test_address_of_no_view_shows_the_first(surveyed: ServerProcess, open_page: OpenPage, fragment: str) -> None:
    """A fragment that names no view leads to where pictures are asked about."""
    page = open_page(surveyed, fragment)
    expect(page.get_by_role("heading", name="Which garment is this?")).to_be_visible()
    assert page.title().startswith("Which garment is this?")


def test_predictions_of_the_whole_set_are_waited_for(real_settings: Mapping[str, str], open_page: OpenPage) -> None:
    """While the model looks at the whole test set for the first time, the page shows how far it is, and goes on."""
    with serve(**real_settings) as started:
        page = open_page(started, "#browse")
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("#browse-grid li")).to_have_count(60, timeout=120_000)
