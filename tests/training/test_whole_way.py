"""A data set of another kind the whole way: folders of pictures in colour, a model, and what it makes of pictures."""

import re
from pathlib import Path

import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.manifest import Manifest, read_manifest, write_manifest
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import TrainingSettings
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.features import FeatureExtractor
from fashion_api.training.evaluate.measures import measure_accuracy
from fashion_api.training.evaluate.novelty import measure_novelty
from fashion_api.training.evaluate.robustness import measure_corruptions, measure_mirrored, measure_poor_pictures
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.fit.training import TrainingOutcome, train_model
from fashion_api.training.network.backend import Model, keras
from fashion_api.training.report.card import render_folder
from fashion_api.training.report.figures import write_figures
from fashion_api.training.validation import find_held_back
from tests.colour_pictures import CLASSES, write_folders, write_npz
from tests.eager import computing_eagerly

pytestmark = pytest.mark.tensorflow


def make_settings(data_dir: Path, **changes: object) -> TrainingSettings:
    """Settings of a run of seconds; the size, the colours and the classes are those of the data."""
    quick = {
        "data_dir": data_dir,
        "cache_dir": data_dir.parent / "cache",
        "recipe": "compact",
        "epochs": 4,
        "batch_size": 6,
        "hidden_units": 8,
        "validation_size": 12,
    }
    return TrainingSettings.model_validate({**quick, **changes})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingOutcome:
    """A model of flowers in colour, trained on folders of PNG and JPEG files."""
    folder = tmp_path_factory.mktemp("flowers")
    write_folders(folder / "flowers", {"train": 48, "test": 18})
    with pytest.MonkeyPatch.context() as monkeypatch, computing_eagerly():
        monkeypatch.chdir(folder)
        return train_model(
            make_settings(folder / "flowers"), command="fashion-api train", model_path=folder / "flowers.h5"
        )


def test_manifest_is_of_the_datas_classes_and_images(trained: TrainingOutcome) -> None:
    """The labels are the folders' names, and the input has the pictures' size and colours."""
    manifest = read_manifest(trained.model_path)
    assert manifest is not None
    assert (manifest.labels, manifest.input.shape) == (CLASSES, (8, 8, 3))
    assert manifest.calibration is not None
    assert manifest.calibration.novelty is not None
