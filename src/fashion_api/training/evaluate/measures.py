"""The measures of an evaluation that need only a classifier: accuracy, calibration, prediction sets, robustness."""

import logging
from collections.abc import Sequence

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.images import Images
from fashion_api.inference.calibration import COVERAGES, PredictionSets
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.evaluation_record import (
    CalibrationReport,
    CalibrationScore,
    CorruptionScore,
    EvaluationRecord,
    PredictionSetScore,
)
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.calibrate.temperature import apply_temperature
from fashion_api.training.classification import classify_all
from fashion_api.training.metrics.calibration_error import compute_brier, compute_ece, compute_nll, estimate_ece_floor
from fashion_api.training.metrics.confusion import count_confusions, score_classes
from fashion_api.training.metrics.intervals import compute_wilson_interval, estimate, estimate_mean
from fashion_api.training.recipes import RECIPES
from fashion_api.training.synthetic.corruptions import CORRUPTIONS, Corruption

logger = logging.getLogger(__name__)

_LEVELS = (0, 1, 2)


def measure_accuracy(answers: Predictions, test: Split, labels: tuple[str, ...]) -> EvaluationRecord:
    """Measure the accuracy of the answers to the test images, in all and by class."""
    matrix = count_confusions(test.labels, answers.class_ids, len(labels))
    correct, total = int(matrix.trace()), int(matrix.sum())
    return EvaluationRecord(
        data_sha256=test.sha256,
        images=total,
        correct=correct,
        accuracy=correct / total,
        accuracy_interval=compute_wilson_interval(correct, total),
        classes=score_classes(matrix, labels),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
    )


def measure_calibration(served: Floats, labels: Labels, *, temperature: float) -> CalibrationReport:
    """Measure how well probabilities are calibrated, with the temperature and without.

    Args:
        served: [n, classes], with the temperature.
        labels: [n], the right classes.
        temperature: the temperature that the probabilities have.
    """
    return CalibrationReport(
        before=score_calibration(apply_temperature(served, 1 / temperature), labels),
        after=score_calibration(served, labels),
    )


def score_calibration(probabilities: Floats, labels: Labels) -> CalibrationScore:
    """Compute the calibration of [n, classes] for the right classes [n]."""
    confidences, is_correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    return CalibrationScore(
        expected_calibration_error=estimate(
            lambda chosen: compute_ece(confidences[chosen], is_correct[chosen]), len(labels)
        ),
        expected_calibration_error_floor=estimate_ece_floor(confidences),
        negative_log_likelihood=estimate_mean(compute_nll(probabilities, labels)),
        brier=estimate_mean(compute_brier(probabilities, labels)),
    )


def measure_prediction_sets(
    served: Floats, labels: Labels, *, sets: PredictionSets, names: Sequence[str]
) -> dict[str, PredictionSetScore]:
    """Measure the sets that the service would give, by nominal coverage, as `0.95`."""
    rows = served.tolist()
    return {
        f"{coverage:g}": score_sets([sets.find_classes(row, coverage) for row in rows], labels, names)
        for coverage in COVERAGES
    }


def score_sets(found: Sequence[Sequence[int]], labels: Labels, names: Sequence[str]) -> PredictionSetScore:
    """Compute the coverage and the sizes of the sets of n images; `names` are the classes' names."""
    sizes = np.array([len(members) for members in found])
    is_covered = np.array([label in members for members, label in zip(found, labels.tolist(), strict=True)])
    covered = int(is_covered.sum())
    return PredictionSetScore(
        coverage=covered / len(found),
        coverage_interval=compute_wilson_interval(covered, len(found)),
        class_coverage={
            name: float(is_covered[labels == class_id].mean())
            for class_id, name in enumerate(names)
            if (labels == class_id).any()
        },
        mean_size=float(sizes.mean()),
        sizes=tuple(np.bincount(sizes, minlength=len(names) + 1)[1:].tolist()),
    )


def measure_mirrored(classifier: Classifier, test: Split) -> float:
    """Measure the accuracy on the test images mirrored left to right."""
    logger.info("robustness: mirrored")
    return _compute_accuracy(classifier, test.images[:, :, ::-1], test.labels, description="mirrored")


def measure_corruptions(classifier: Classifier, test: Split, *, recipe: str | None) -> dict[str, CorruptionScore]:
    """Measure the accuracy under each corruption at each strength; `recipe` is the name of the model's recipe."""
    return {
        corruption.name: _measure_corruption(corruption, classifier, test, recipe)
        for corruption in CORRUPTIONS.values()
    }


def _measure_corruption(
    corruption: Corruption, classifier: Classifier, test: Split, recipe: str | None
) -> CorruptionScore:
    logger.info("robustness: %s", corruption.name)
    first, second, third = (
        _compute_accuracy(
            classifier, corruption.apply(test.images, level), test.labels, description=corruption.describe(level)
        )
        for level in _LEVELS
    )
    mild, middle, hard = map(corruption.describe, _LEVELS)
    known = RECIPES.get(recipe or "")
    return CorruptionScore(
        strengths=(mild, middle, hard),
        accuracies=(first, second, third),
        is_trained_for=None if known is None else corruption.is_trained_for(known.augmentation),
    )


def _compute_accuracy(classifier: Classifier, images: Images, labels: Labels, *, description: str) -> float:
    answers = classify_all(classifier, np.ascontiguousarray(images), description=description)
    return float((answers.class_ids == labels).mean())
