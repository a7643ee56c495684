"""A data set of another kind the whole way: folders of pictures in colour, a model, its scores, and its service."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from fashion_api import create_app
from fashion_api.errors import TrainingError
from fashion_api.inference.evaluation_record import CostRecord
from fashion_api.inference.manifest import read_manifest
from fashion_api.settings import TrainingSettings
from fashion_api.training.evaluate.evaluation import EvaluationOutcome, evaluate_model
from fashion_api.training.fit.training import TrainingOutcome, train_model
from tests.colour_pictures import CLASSES, draw_flower, write_folders
from tests.eager import computing_eagerly

pytestmark = pytest.mark.tensorflow

OF_FASHION_MNIST = re.compile("article|fashion.?mnist|mnist|garment|cloth|shirt|light on black|turned", re.IGNORECASE)


def make_settings(folder: Path) -> TrainingSettings:
    """Settings of a run of seconds; the size, the colours and the classes are those of the data."""
    return TrainingSettings.model_validate(
        {
            "data_dir": folder / "flowers",
            "cache_dir": folder / "cache",
            "model_path": folder / "flowers.h5",
            "engine": "keras",
            "recipe": "compact",
            "epochs": 2,
            "batch_size": 6,
            "hidden_units": 8,
            "validation_size": 12,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingOutcome:
    """A model of flowers in colour, trained on folders of PNG and JPEG files."""
    folder = tmp_path_factory.mktemp("flowers")
    write_folders(folder / "flowers", {"train": 48, "test": 18})
    with pytest.MonkeyPatch.context() as monkeypatch, computing_eagerly():
        monkeypatch.chdir(folder)
        return train_model(make_settings(folder), command="fashion-api train", model_path=folder / "flowers.h5")


@pytest.fixture(scope="module")
def evaluated(trained: TrainingOutcome) -> EvaluationOutcome:
    """The scores of the model, and its card."""
    with computing_eagerly():
        return evaluate_model(
            make_settings(trained.model_path.parent),
            cost=lambda *_: CostRecord(parameters=1, multiply_adds=1, relative_time=None),
            drawn=12,
            queries=20,
        )


@pytest.fixture(scope="module")
def client(evaluated: EvaluationOutcome) -> Iterator[TestClient]:
    """A client of a service of the model."""
    with computing_eagerly(), TestClient(create_app(make_settings(evaluated.model_path.parent))) as client:
        yield client


def test_manifest_is_of_the_datas_classes_and_images(trained: TrainingOutcome) -> None:
    """The labels are the folders' names, and the input has the pictures' size and colours."""
    manifest = read_manifest(trained.model_path)
    assert manifest is not None
    assert (manifest.labels, manifest.input.shape) == (CLASSES, (8, 8, 3))
    assert manifest.calibration is not None
    assert manifest.calibration.novelty is not None


def test_run_on_images_of_another_size_is_not_resumed(
    trained: TrainingOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pictures in another size are other data."""
    monkeypatch.chdir(trained.model_path.parent)
    settings = make_settings(trained.model_path.parent).model_copy(update={"image_height": 9})
    with pytest.raises(TrainingError, match="it was started differently: pixels"):
        train_model(settings, command="", model_path=trained.model_path, resume=True)


def test_everything_is_measured_in_colour(evaluated: EvaluationOutcome) -> None:
    """The classes, which differ in their colours alone, are learnt in two epochs; what is measured is in the record."""
    record = evaluated.record
    assert (record.images, record.correct) == (18, 18)
    assert record.poor_pictures is not None
    assert record.nonsense is not None
    assert record.novelty is not None
    assert record.novelty.report["letters"].refused is not None


def test_card_is_true_of_the_data(evaluated: EvaluationOutcome) -> None:
    """The card says what the images are, and has no word of Fashion-MNIST's."""
    card = evaluated.model_path.with_name("README.md").read_text()
    assert "images in colour of 8×8 pixels; **classes** daisy, poppy, violet" in card
    assert all(f"## {section}" in card for section in ("Accuracy", "Calibration", "Novelty", "Robustness"))
    assert not OF_FASHION_MNIST.findall(card)


def test_uploaded_jpeg_is_recognised(client: TestClient) -> None:
    """A large photograph is resized and recognised by its colours; the answer says how it was resized."""
    content = io.BytesIO()
    Image.fromarray(draw_flower("poppy", np.random.default_rng(9), height=300, width=400)).save(content, "JPEG")
    response = client.post("/api/v1/predictions/upload", files={"file": ("poppy.jpg", content.getvalue())})
    assert response.status_code == 200, response.text
    (prediction,) = response.json()["predictions"]
    assert (prediction["label"], prediction["route"]) == ("poppy", "fit")


def test_test_images_are_the_datas(client: TestClient) -> None:
    """The test set is that of the folders, in colour."""
    assert client.get("/api/v1/test-images?limit=1").json()["total"] == 18
    picture = Image.open(io.BytesIO(client.get("/api/v1/test-images/0/image").content))
    assert (picture.size, picture.mode) == ((8, 8), "RGB")


def test_page_is_of_the_data(client: TestClient) -> None:
    """The page is there without a word of Fashion-MNIST's, and the model is described by the classes of the data."""
    page = client.get("/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert client.get("/api/v1/model").json()["labels"] == list(CLASSES)
    assert not OF_FASHION_MNIST.findall(page.text)
