import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_api.dataset import Split
from fashion_api.exceptions import DataError, ModelError, TrainingError
from fashion_api.inference.classifier import Images, Predictions
from fashion_api.inference.manifest import manifest_path, read_manifest
from fashion_api.training.evaluation import EvaluationOutcome, classify_all, evaluate_model, score
from fashion_api.training.training import TrainingOutcome
from tests.training.conftest import LABELS, make_settings, write_data_set


class BandClassifier:
    """Takes an image whose first pixel is bright for the first of two classes."""

    def classify(self, images: Images) -> Predictions:
        is_first = images[:, 0, 0] > 128
        return Predictions(np.stack([is_first, ~is_first], axis=1).astype(np.float32))


@pytest.fixture(scope="module")
def evaluated(trained: TrainingOutcome, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationOutcome:
    """The evaluation of a trained model, for the tests that only look at what it left behind."""
    folder = tmp_path_factory.mktemp("evaluated")
    for path in (trained.model_path, manifest_path(trained.model_path)):
        shutil.copy(path, folder)
    return evaluate_model(make_settings(data_dir, model_path=folder / trained.model_path.name))


@pytest.fixture
def bare_model_path(trained: TrainingOutcome, tmp_path: Path) -> Path:
    """A trained model of the test's own, without its manifest."""
    return Path(shutil.copy(trained.model_path, tmp_path))


def test_scores_are_of_the_test_set(evaluated: EvaluationOutcome) -> None:
    """A model that tells the classes apart gets every one of the test images right."""
    assert (evaluated.record.correct, evaluated.record.images) == (32, 32)


def test_scores_are_written_into_the_manifest(evaluated: EvaluationOutcome, trained: TrainingOutcome) -> None:
    """The manifest gains the scores, and keeps all that it said before."""
    expected = trained.manifest.model_copy(update={"evaluation": evaluated.record})

    assert read_manifest(evaluated.model_path) == expected


def test_confusion_matrix_is_drawn_beside_the_model(evaluated: EvaluationOutcome) -> None:
    """The confusion matrix becomes a PNG file named after the model."""
    assert evaluated.plot_path == evaluated.model_path.with_name("bands_confusion_matrix.png")
    assert evaluated.plot_path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_summary_has_accuracy_with_interval(evaluated: EvaluationOutcome) -> None:
    """The summary has the accuracy, its interval and where it is written."""
    assert "test accuracy 1.0000 (32 of 32; 95 % interval 0.8928–1.0000)" in evaluated.summary()
    assert str(manifest_path(evaluated.model_path)) in evaluated.summary()


def test_model_without_manifest_gets_one(bare_model_path: Path, data_dir: Path) -> None:
    """A model with no manifest, as the tutorial leaves it, is evaluated too, and has a manifest afterwards."""
    outcome = evaluate_model(make_settings(data_dir, model_path=bare_model_path))

    manifest = read_manifest(bare_model_path)
    assert manifest is not None
    assert (manifest.labels, manifest.evaluation) == (LABELS, outcome.record)


def test_missing_model_is_told(data_dir: Path, tmp_path: Path) -> None:
    """There has to be a model to evaluate."""
    with pytest.raises(ModelError, match="there is no model"):
        evaluate_model(make_settings(data_dir, model_path=tmp_path / "none.h5"))


def test_data_of_another_size_is_refused(bare_model_path: Path, tmp_path: Path) -> None:
    """A model is not scored on images that are not of its size."""
    write_data_set(tmp_path / "wide", width=9)

    with pytest.raises(DataError, match="8×9 pixels, not 8×8"):
        evaluate_model(make_settings(tmp_path / "wide", model_path=bare_model_path))


def test_unwritable_place_is_told(bare_model_path: Path, data_dir: Path) -> None:
    """Where the figures cannot be written, the error says which file and why."""
    bare_model_path.with_name("bands_confusion_matrix.png").mkdir()

    with pytest.raises(TrainingError, match="cannot be written: Is a directory"):
        evaluate_model(make_settings(data_dir, model_path=bare_model_path))


def test_every_image_is_classified_in_order() -> None:
    """Images that fill several batches and a part of one are all classified, in their order."""
    images = np.zeros((601, 2, 2), np.uint8)
    images[::3] = 255

    predicted = classify_all(BandClassifier(), images)

    np.testing.assert_array_equal(predicted, np.arange(601) % 3 != 0)


def test_record_is_computed_from_the_matrix() -> None:
    """Accuracy is the share on the diagonal, and the record says which data it is of."""
    split = Split(np.zeros((10, 1, 1), np.uint8), np.zeros(10, np.uint8), sha256="a" * 64)

    record = score(np.array([[4, 1], [2, 3]]), split, LABELS)

    assert (record.correct, record.images, record.accuracy) == (7, 10, 0.7)
    assert (record.data_sha256, record.confusion_matrix) == ("a" * 64, ((4, 1), (2, 3)))
