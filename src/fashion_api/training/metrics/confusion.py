"""The confusion matrix, and each class's precision and recall."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fashion_api.inference.evaluation_record import ClassScore
from fashion_api.training.arrays import Labels

ConfusionMatrix = npt.NDArray[np.int64]
"""int64[classes, classes]: counts, with a row for each actual class and a column for each predicted class."""


def count_confusions(actual: Labels, predicted: Labels, classes: int) -> ConfusionMatrix:
    """Count the images by actual and predicted class."""
    cells = actual.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def score_classes(matrix: ConfusionMatrix, labels: Sequence[str]) -> dict[str, ClassScore]:
    """Give each class's precision and recall; 0 for a class that was never predicted, or has no images."""
    hits, predicted, actual = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        label: ClassScore(
            precision=float(hits[index] / max(predicted[index], 1)),
            recall=float(hits[index] / max(actual[index], 1)),
            images=int(actual[index]),
        )
        for index, label in enumerate(labels)
    }
