import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_api.dataset import Split
from fashion_api.exceptions import DataError, ModelError, TrainingError
from fashion_api.inference.manifest import manifest_path, read_manifest
from fashion_api.training.backend import keras
from fashion_api.training.evaluation import EvaluationOutcome, classify_all, evaluate_model, score
from fashion_api.training.scores import count_confusions
from fashion_api.training.training import TrainingOutcome, encode_h5
from tests.fakes import FakeClassifier
from tests.training.conftest import LABELS, make_settings, write_data_set


@pytest.fixture(scope="module")
def evaluated(trained: TrainingOutcome, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationOutcome:
    """The evaluation of a trained model, for the tests that only look at what it left behind."""
    folder = tmp_path_factory.mktemp("evaluated")
    for path in (trained.model_path, manifest_path(trained.model_path)):
        shutil.copy(path, folder)
    return evaluate_model(make_settings(data_dir, model_path=folder / trained.model_path.name))


@pytest.fixture
def model_path(trained: TrainingOutcome, tmp_path: Path) -> Path:
    """A trained model of the test's own, without its manifest."""
    return Path(shutil.copy(trained.model_path, tmp_path))
