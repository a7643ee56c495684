"""The summary of an evaluation, for the terminal."""

from collections.abc import Mapping, Sequence

import numpy as np

from fashion_api.inference.evaluation_record import ClassScore, EvaluationRecord
from fashion_api.training.metrics.confusion import ConfusionMatrix


def render_summary(record: EvaluationRecord, labels: Sequence[str]) -> str:
    """Write the main figures of an evaluation."""
    low, high = record.accuracy_interval
    figures = f"{record.accuracy:.4f} ({record.correct} of {record.images}; 95 % interval {low:.4f}–{high:.4f})"
    parts = [
        f"test accuracy {figures}",
        render_scores(record.classes),
        render_confusion_matrix(np.array(record.confusion_matrix), labels),
    ]
    if record.calibration is not None:
        before, after = record.calibration.before, record.calibration.after
        errors = (before.expected_calibration_error.value, after.expected_calibration_error.value)
        parts.append("expected calibration error {:.4f}, and {:.4f} with the temperature".format(*errors))
    if record.novelty is not None:
        kinds = (
            f"{name} {kind.refused:.1%}" for name, kind in record.novelty.report.items() if kind.refused is not None
        )
        parts.append("refused: " + (", ".join(kinds) or "nothing, as the model has no novelty output"))
    return "\n\n".join(parts)


def render_scores(scores: Mapping[str, ClassScore]) -> str:
    """Write precision and recall as a table."""
    width = max(len("class"), *map(len, scores))
    rows = [f"{'class':<{width}}  precision  recall  images"]
    rows += [
        f"{label:<{width}}  {score.precision:>9.4f}  {score.recall:>6.4f}  {score.images:>6}"
        for label, score in scores.items()
    ]
    return "\n".join(rows)


def render_confusion_matrix(matrix: ConfusionMatrix, labels: Sequence[str]) -> str:
    """Write a confusion matrix as a table: a row for each actual class, a numbered column for each predicted class."""
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
