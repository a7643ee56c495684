import numpy as np
import pytest

from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.training.calibrate.calibrator import calibrate_classifier, fit_calibration, fit_novelty
from fashion_api.training.validation import TrainingData
from tests.training.calibrate.answers import draw_answers


def test_share_of_articles_is_below_the_novelty_thresholds() -> None:
    """95 and 98 of a hundred articles do not exceed the two thresholds."""
    novelty = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    thresholds = fit_novelty(novelty)
    assert (thresholds.threshold, thresholds.threshold_98) == (95, 98)


def test_novelty_threshold_is_never_zero() -> None:
    """If the novelty of every article is 0, the threshold is still positive, as the manifest requires."""
    assert fit_novelty(np.zeros(10)).threshold > 0


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
