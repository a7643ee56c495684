"""The routes of the test set."""

import numpy as np
import pytest
from fastapi.testclient import TestClient

from fashion_api.data.dataset import Split
from fashion_api.inference.loading import LoadedModel
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from tests.conftest import MakeClient, await_predictions
from tests.fakes import NovelClassifier, fake_test_set, find_broken_test_set, find_no_test_set
from tests.held import HeldClassifier

ROOT = "/api/v1/test-images"


def test_page_lists_index_label_and_total(client: TestClient) -> None:
    """A page names each image's index and actual class, and how many there are in all."""
    page = client.get(ROOT, params={"offset": 9, "limit": 2}).json()
    assert page == {
        "total": 30,
        "offset": 9,
        "limit": 2,
        "items": [
            {"index": 9, "label": "Ankle boot", "class_id": 9},
            {"index": 10, "label": "T-shirt/top", "class_id": 0},
        ],
    }


@pytest.fixture
def predicted(make_client: MakeClient) -> TestClient:
    """A client of a service that has predicted its 30 test images: 0, 10 and 20 wrongly, and 7 to 9 as novel."""
    client = make_client(NovelClassifier(), load_test_set=load_novel_test_set)
    await_predictions(client)
    return client


def load_novel_test_set(_settings: Settings, _model: LoadedModel) -> Split:
    plain = fake_test_set()
    images = plain.images.copy()
    images[7:10, -1, -1] = (30, 50, 40)
    return Split(images, plain.labels, plain.sha256)


@pytest.mark.parametrize(
    ("query", "indices"),
    [
        ({"correct": "false"}, [0, 10, 20]),
        ({"correct": "true", "label": "trouser"}, [1, 11, 21]),
        ({"predicted": "Trouser"}, [0, 1, 10, 11, 20, 21]),
        ({"predicted": "TROUSER", "label": "T-shirt/top"}, [0, 10, 20]),
        ({"accepted": "false"}, [7, 8, 9]),
        ({"accepted": "false", "sort": "novelty"}, [7, 9, 8]),
        ({"accepted": "false", "sort": "-novelty"}, [8, 9, 7]),
        ({"accepted": "true", "correct": "false", "offset": "1", "limit": "1"}, [10]),
        ({"sort": "index", "limit": "3"}, [0, 1, 2]),
        ({"sort": "confidence", "limit": "3"}, [0, 1, 2]),
        ({"sort": "-confidence", "offset": "28"}, [28, 29]),
        ({"sort": "-novelty", "limit": "4"}, [8, 9, 7, 0]),
    ],
)
def test_list_is_filtered_and_sorted(predicted: TestClient, query: dict[str, str], indices: list[int]) -> None:
    """What the model sees decides which images are listed, and in which order; of equal ones, the lower index first."""
    assert [item["index"] for item in predicted.get(ROOT, params=query).json()["items"]] == indices


def test_total_is_of_the_filtered_images(predicted: TestClient) -> None:
    """The total counts what the query asks for, not the page."""
    assert predicted.get(ROOT, params={"correct": "true", "limit": 1}).json()["total"] == 27


def test_filtered_image_has_its_prediction(predicted: TestClient) -> None:
    """An item says what the model sees, as the image's own prediction does."""
    (item,) = predicted.get(ROOT, params={"accepted": "false", "label": "Bag"}).json()["items"]
    answer = predicted.get(f"{ROOT}/8/prediction").json()
    prediction = answer["prediction"]
    assert item == {
        "index": 8,
        "label": "Bag",
        "class_id": 8,
        "predicted": prediction["label"],
        "correct": answer["correct"],
        "accepted": prediction["accepted"],
        "probability": prediction["probability"],
        "novelty": prediction["novelty"],
    }


def test_list_is_pending_until_the_set_is_predicted(make_client: MakeClient) -> None:
    """The first request that needs the predictions is told to come again, and how far they are."""
    classifier = HeldClassifier()
    client = make_client(classifier)
    response = client.get(ROOT, params={"correct": "false"})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.json()["type"] == "/problems#not-predicted-yet"
    assert "0 of 30" in response.json()["detail"]
    assert client.get(ROOT, params={"label": "Bag"}).status_code == 200
    classifier.release()
    await_predictions(client)
    assert client.get(ROOT, params={"correct": "false"}).status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("predicted", "Hat"),
        ("correct", "yes"),
        ("correct", ""),
        ("accepted", "1"),
        ("sort", "size"),
        ("sort", "-index"),
    ],
)
def test_wrong_filter_is_named(client: TestClient, name: str, value: str) -> None:
    """A filter or an order that there is not is answered 422 and named, before anything is computed."""
    response = client.get(ROOT, params={name: value})
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, name)


@pytest.mark.parametrize(("name", "value"), [("accepted", "true"), ("sort", "novelty"), ("sort", "-novelty")])
def test_novelty_of_a_model_that_has_none(client: TestClient, name: str, value: str) -> None:
    """A model that does not score novelty cannot filter or sort by it; its items have null for it."""
    await_predictions(client)
    response = client.get(ROOT, params={name: value})
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, name)
    item = client.get(ROOT, params={"sort": "confidence"}).json()["items"][0]
    assert (item["novelty"], item["accepted"]) == (None, None)


def test_confusion_matrix_counts_the_test_images(predicted: TestClient) -> None:
    """A row for what the images show, a column for what is seen in them, and who is refused."""
    answer = predicted.get("/api/v1/confusion-matrix").json()
    expected = 3 * np.eye(10, dtype=int)
    expected[0, :2] = (0, 3)
    assert answer == {
        "labels": list(FASHION_MNIST_LABELS),
        "matrix": expected.tolist(),
        "refused": [0] * 7 + [1] * 3,
        "total": 30,
        "model": {"name": "fake", "version": "0123456789ab"},
    }


def test_confusion_matrix_of_a_model_without_novelty(client: TestClient) -> None:
    """Where no novelty is scored, nothing is said of refusals."""
    await_predictions(client)
    assert client.get("/api/v1/confusion-matrix").json()["refused"] is None


@pytest.mark.parametrize("query", [{"offset": -1}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}])
def test_page_bounds_are_checked(client: TestClient, query: dict[str, int | str]) -> None:
    """An offset or limit out of bounds is answered 422 and named."""
    response = client.get(ROOT, params=query)
    assert (response.status_code, response.json()["errors"][0]["where"]) == (422, next(iter(query)))


def test_image_tells_its_actual_class(client: TestClient) -> None:
    """A test image's own route tells what it actually shows."""
    assert client.get(f"{ROOT}/29").json() == {"index": 29, "label": "Ankle boot", "class_id": 9}


@pytest.mark.parametrize("scale", [0, -1, 41, "big"])
def test_scale_is_bounded(client: TestClient, scale: object) -> None:
    """A scale that is no whole number from 1 to 40 is answered 422."""
    assert client.get(f"{ROOT}/5/image", params={"scale": str(scale)}).status_code == 422


def test_prediction_gives_every_probability_in_class_order(client: TestClient) -> None:
    """The probabilities stand in the order of the class ids, and the best of them is the prediction's own."""
    prediction = client.get(f"{ROOT}/9/prediction").json()["prediction"]
    assert list(prediction["probabilities"])[-1] == "Ankle boot"
    assert prediction["probability"] == prediction["probabilities"]["Ankle boot"] == pytest.approx(0.91)
    assert prediction["class_id"] == 9


@pytest.mark.parametrize("suffix", ["", "/image", "/prediction"])
@pytest.mark.parametrize(
    ("index", "status"),
    [("-1", 404), ("30", 404), (str(10**30), 404), ("abc", 422), ("1.5", 422), ("%20", 422)],
    ids=["negative", "one too many", "huge", "a word", "a fraction", "a space"],
)
def test_index_that_no_image_has(client: TestClient, index: str, status: int, suffix: str) -> None:
    """A number that no test image has is answered 404; what is no whole number, 422."""
    response = client.get(f"{ROOT}/{index}{suffix}")
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize("loader", [find_no_test_set, find_broken_test_set], ids=["missing", "broken"])
@pytest.mark.parametrize(
    "path",
    [
        ROOT,
        f"{ROOT}?correct=true",
        "/api/v1/confusion-matrix",
        f"{ROOT}/0",
        f"{ROOT}/0/image",
        f"{ROOT}/0/prediction",
        "/predict?test_image_num=0",
    ],
)
def test_without_a_test_set_the_routes_say_how_to_get_one(make_client: MakeClient, loader: object, path: str) -> None:
    """Where the data set is missing or broken, its routes answer 503, say how to get it, and name no folder."""
    response = make_client(load_test_set=loader).get(path)  # type: ignore[arg-type]  # one of the two above
    assert response.status_code == 503
    assert response.json()["type"] == "/problems#no-test-set"
    assert "FASHION_DATA_DIR" in response.json()["detail"]
    assert "Fashion-MNIST with `fashion-api data fetch`" in response.json()["detail"]
    assert "secret" not in response.text
