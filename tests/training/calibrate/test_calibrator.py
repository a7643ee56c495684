import numpy as np
import pytest

from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.training.calibrate.calibrator import calibrate_classifier, fit_calibration
from fashion_api.training.validation import TrainingData
from tests.training.calibrate.answers import draw_answers


def test_model_without_a_novelty_output_gets_no_threshold() -> None:
    """Without a novelty output, only the temperature and the prediction sets are fitted."""
    assert fit_calibration(*draw_answers(50), novelty=None).novelty is None


def test_probabilities_that_are_not_finite_are_refused() -> None:
    """NaN is an error."""
    with pytest.raises(TrainingError, match="not finite"):
        fit_calibration(np.full((5, 2), np.nan), np.zeros(5, np.intp), novelty=None)


class EvenClassifier:
    """Gives the class of every image as its first pixel, modulo two."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(np.eye(2, dtype=np.float32)[images[:, 0, 0] % 2], images[:, 0, 0].astype(np.float32))


def test_classifier_is_calibrated_on_the_validation_images() -> None:
    """The temperature and the thresholds are those of the images held back, not of those trained on."""
    images = np.arange(100, dtype=np.uint8).reshape(100, 1, 1)
    labels = (np.arange(100) % 2).astype(np.uint8)

    calibration = calibrate_classifier(
        EvenClassifier(), TrainingData(images[40:], labels[40:], images[:40], labels[:40])
    )

    assert calibration.images == 40
    assert calibration.novelty is not None
    assert (calibration.novelty.threshold, calibration.novelty.threshold_98) == (37, 39)
