"""The figures of an evaluation, from class ids alone."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fashion_api.inference.manifest import ClassScore

Matrix = npt.NDArray[np.int64]
"""int64[classes, classes]: counts, a row for each actual class, a column for each predicted one."""

_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point


def count_confusions(actual: npt.NDArray[np.integer], predicted: npt.NDArray[np.integer], classes: int) -> Matrix:
    """Count how often each actual class was taken for each class."""
    cells = actual.astype(np.int64) * classes + predicted
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def compute_wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Tell the 95 % score interval for a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209–212)."""
    share, z2 = correct / total, _Z_95**2
    centre = share + z2 / (2 * total)
    spread = _Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    scale = 1 + z2 / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def score_classes(matrix: Matrix, labels: Sequence[str]) -> dict[str, ClassScore]:
    """Give each class's precision and recall; 0 for a class that was never predicted, or of which there is no image."""
    hits, predicted, actual = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    return {
        label: ClassScore(
            precision=float(hits[index] / max(predicted[index], 1)),
            recall=float(hits[index] / max(actual[index], 1)),
            images=int(actual[index]),
        )
        for index, label in enumerate(labels)
    }


def render_scores(scores: dict[str, ClassScore]) -> str:
    """Write precision and recall as a table."""
    width = max(len("class"), *map(len, scores))
    rows = [f"{'class':<{width}}  precision  recall  images"]
    rows += [
        f"{label:<{width}}  {score.precision:>9.4f}  {score.recall:>6.4f}  {score.images:>6}"
        for label, score in scores.items()
    ]
    return "\n".join(rows)


def render_confusion_matrix(matrix: Matrix, labels: Sequence[str]) -> str:
    """Write a confusion matrix as a table: a row for each actual class, a numbered column for each predicted one."""
    label_width = max(map(len, labels))
    number_width = len(str(len(labels) - 1))
    width = max(len(str(matrix.max())), number_width)
    header = " ".join(f"{index:>{width}}" for index in range(len(labels)))
    rows = [f"{'actual, by predicted':<{label_width + number_width + 1}}  {header}"]
    margin = len(rows[0]) - len(header)
    for index, label in enumerate(labels):
        counts = " ".join(f"{count or '.':>{width}}" for count in matrix[index])
        rows.append(f"{f'{index:>{number_width}} {label}':<{margin}}{counts}")
    return "\n".join(rows)
