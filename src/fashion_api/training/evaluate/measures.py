"""The measures of an evaluation that need only a classifier: accuracy, calibration, prediction sets."""

from collections.abc import Sequence

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.inference.calibration import COVERAGES, PredictionSets
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import (
    CalibrationReport,
    CalibrationScore,
    ClassReliability,
    EvaluationRecord,
    PredictionSetScore,
)
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.calibrate.temperature import apply_temperature
from fashion_api.training.metrics.calibration_error import compute_brier, compute_ece, compute_nll, estimate_ece_floor
from fashion_api.training.metrics.confusion import count_confusions, score_classes
from fashion_api.training.metrics.intervals import compute_wilson_interval, estimate, estimate_mean


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


def measure_calibration(
    served: Floats, labels: Labels, *, temperature: float, names: Sequence[str]
) -> CalibrationReport:
    """Measure how well probabilities are calibrated, with the temperature and without.

    Args:
        served: [n, classes], with the temperature.
        labels: [n], the right classes.
        temperature: the temperature that the probabilities have.
        names: the classes' names.
    """
    return CalibrationReport(
        before=score_calibration(apply_temperature(served, 1 / temperature), labels),
        after=score_calibration(served, labels),
        classes=score_reliability(served, labels, names),
    )


def score_reliability(probabilities: Floats, labels: Labels, names: Sequence[str]) -> dict[str, ClassReliability]:
    """Compute, for each predicted class, the mean confidence and the share of predictions that are right."""
    predicted, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
    scores = {}
    for class_id, name in enumerate(names):
        own = predicted == class_id
        scores[name] = ClassReliability(
            images=int(own.sum()),
            confidence=float(confidences[own].mean(dtype=np.float64)) if own.any() else None,
            accuracy=float((labels[own] == class_id).mean()) if own.any() else None,
        )
    return scores


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
