"""The query parameter `coverage`, on each route that predicts."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests import picture_files as pictures
from tests.conftest import MakeClient
from tests.fakes import NovelClassifier, fake_test_set

INDEX_ROUTE = "/api/v1/test-images/9/prediction"
JSON_ROUTE = "/api/v1/predictions"
UPLOAD_ROUTE = "/api/v1/predictions/upload"

routes = pytest.mark.parametrize("route", [INDEX_ROUTE, JSON_ROUTE, UPLOAD_ROUTE])


def ask(client: TestClient, route: str, coverage: str | None = None) -> Any:  # noqa: ANN401  # a JSON object
    params = {} if coverage is None else {"coverage": coverage}
    if route == INDEX_ROUTE:
        return client.get(route, params=params)
    if route == JSON_ROUTE:
        return client.post(route, params=params, json={"images": [fake_test_set().images[9].tolist()]})
    return client.post(route, params=params, content=pictures.grey_png(), headers={"Content-Type": "image/png"})


def find_set(answer: Any) -> list[str] | None:  # noqa: ANN401  # a JSON object
    prediction = answer["prediction"] if "prediction" in answer else answer["predictions"][0]
    found: list[str] | None = prediction["prediction_set"]
    return found


@routes
@pytest.mark.parametrize(("coverage", "size"), [("0.9", 1), ("0.90", 1), ("0.95", 2), ("0.99", 3), (None, 2)])
def test_set_is_as_large_as_the_coverage_needs(
    make_client: MakeClient, route: str, coverage: str | None, size: int
) -> None:
    """The coverage that is asked for decides the set; where none is, it is 0.95."""
    found = find_set(ask(make_client(NovelClassifier()), route, coverage).json())

    assert found is not None
    assert len(found) == size


@routes
@pytest.mark.parametrize("coverage", ["0.5", "95", "nan", "", "much"])
def test_other_coverage_is_refused(make_client: MakeClient, route: str, coverage: str) -> None:
    """Any other coverage is answered 422, with those that there are."""
    response = ask(make_client(NovelClassifier()), route, coverage)

    assert response.status_code == 422
    assert response.json()["errors"] == [{"where": "coverage", "message": "must be one of 0.9, 0.95, 0.99"}]


@routes
def test_model_without_calibration_has_no_set(client: TestClient, route: str) -> None:
    """A model that was not calibrated is served as ever; it has no set at any coverage."""
    assert find_set(ask(client, route, "0.99").json()) is None
