"""The two engines, with the committed model and the real test set."""

from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import DataSource
from fashion_api.inference.compiler import MAX_DIFFERENCE
from fashion_api.inference.loading import load_model
from fashion_api.settings import Settings
from tests.conftest import MODEL

pytestmark = pytest.mark.tensorflow


def test_engines_agree_on_every_test_image(real_service: dict[str, str]) -> None:
    """On all 10,000 test images the compiled form gives the classes of Keras, and its probabilities."""
    images = DataSource.from_settings(Settings(_env_file=None)).load("test").images
    settings = Settings(_env_file=None, model_path=MODEL, cache_dir=Path(real_service["FASHION_CACHE_DIR"]))
    engines = [load_model(settings.model_copy(update={"engine": engine})).classifier for engine in ("onnx", "keras")]
    for start in range(0, len(images), 500):
        ours, theirs = (engine.classify(images[start : start + 500]) for engine in engines)
        assert np.abs(ours.probabilities - theirs.probabilities).max() <= MAX_DIFFERENCE
        np.testing.assert_array_equal(ours.class_ids, theirs.class_ids)
