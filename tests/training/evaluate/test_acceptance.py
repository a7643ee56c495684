import numpy as np
import pytest

from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Predictions
from fashion_api.training.evaluate.acceptance import compute_accepted, scale_novelty

ANSWERS = Predictions(np.array([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]], np.float32), np.array([1, 1, 3], np.float32))
THRESHOLDS = NoveltyThresholds(threshold=1.0, threshold_98=2.0, class_thresholds=(0.5, 2.0))


def test_novelty_is_divided_by_the_threshold_of_the_predicted_class() -> None:
    """The same novelty is too much for one class and accepted for another."""
    assert scale_novelty(ANSWERS, THRESHOLDS).tolist() == [2, 0.5, 1.5]
    assert compute_accepted(ANSWERS, THRESHOLDS) == pytest.approx(1 / 3)


def test_without_thresholds_nothing_is_accepted_or_refused() -> None:
    """For a model without thresholds there is no share."""
    assert compute_accepted(ANSWERS, None) is None


def test_answers_without_novelty_cannot_be_scaled() -> None:
    """Thresholds for a model without a novelty output are an error of the caller."""
    with pytest.raises(ValueError, match="no novelty output"):
        scale_novelty(Predictions(ANSWERS.probabilities), THRESHOLDS)
