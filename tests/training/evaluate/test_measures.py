import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.inference.calibration import COVERAGES, PredictionSets
from fashion_api.inference.classifier import Predictions
from fashion_api.training.calibrate.temperature import apply_temperature
from fashion_api.training.evaluate.measures import (
    measure_accuracy,
    measure_calibration,
    measure_prediction_sets,
    score_calibration,
    score_reliability,
    score_sets,
)

NAMES = ("a", "b", "c")
PROBABILITIES = np.array([[0.8, 0.15, 0.05], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]])


def test_record_is_computed_from_the_answers() -> None:
    """Accuracy is the share of correct answers, and the record has the digest of the data."""
    split = Split(np.zeros((10, 1, 1), np.uint8), np.array([0] * 5 + [1] * 5, np.uint8), sha256="a" * 64)
    predicted = np.array([0, 0, 0, 0, 1, 0, 0, 1, 1, 1])

    record = measure_accuracy(Predictions(np.eye(2, dtype=np.float32)[predicted]), split, ("a", "b"))

    assert (record.correct, record.images, record.accuracy) == (7, 10, 0.7)
    assert (record.data_sha256, record.confusion_matrix) == ("a" * 64, ((4, 1), (2, 3)))


def test_temperature_is_undone_for_the_figures_before_it() -> None:
    """The figures without the temperature are those of the network's probabilities."""
    labels = np.array([0, 1, 2])
    report = measure_calibration(apply_temperature(PROBABILITIES, 2.0), labels, temperature=2.0, names=NAMES)
    raw = score_calibration(PROBABILITIES, labels)
    assert report.before.brier.value == pytest.approx(raw.brier.value)
    assert report.after.brier.value != pytest.approx(raw.brier.value)


def test_interval_holds_the_figure() -> None:
    """Every figure of calibration is within its interval."""
    score = score_calibration(np.tile(PROBABILITIES, (50, 1)), np.arange(150) % 3)
    for estimate in (score.expected_calibration_error, score.negative_log_likelihood, score.brier):
        assert 0 <= estimate.low <= estimate.value <= estimate.high


def test_sets_are_counted_by_size_and_class() -> None:
    """Coverage, the coverage of each class, the mean size and the sizes: by hand."""
    score = score_sets([[0], [0, 1], [2], [1, 2, 0]], np.array([0, 1, 1, 0]), NAMES)
    assert (score.coverage, score.mean_size, score.sizes) == (0.75, 1.75, (2, 1, 1))
    assert score.class_coverage == {"a": 1.0, "b": 0.5}


def test_sets_are_those_that_are_served() -> None:
    """The sets measured are formed by the manifest's thresholds, one for each coverage."""
    sets = PredictionSets(method="least-ambiguous", thresholds={"0.9": 0.6, "0.95": 0.3, "0.99": 0.0})
    scores = measure_prediction_sets(PROBABILITIES, np.array([0, 1, 2]), sets=sets, names=NAMES)
    assert [scores[f"{coverage:g}"].mean_size for coverage in COVERAGES] == pytest.approx([1, 4 / 3, 3])
    assert scores["0.95"].coverage == 1


def test_reliability_is_that_of_each_predicted_class() -> None:
    """Each class has the mean confidence and the accuracy of the images predicted as it, one never predicted none."""
    scores = score_reliability(PROBABILITIES, np.array([0, 1, 2]), NAMES)
    assert {name: (score.images, score.confidence, score.accuracy) for name, score in scores.items()} == {
        "a": (2, pytest.approx(0.65), 0.5),
        "b": (0, None, None),
        "c": (1, pytest.approx(0.7), 1.0),
    }
