"""The figures beside an evaluated model."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.files import write_atomically
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import Manifest, TrainingRecord
from fashion_api.training.calibrate.temperature import apply_temperature
from fashion_api.training.history import Epoch
from fashion_api.training.metrics.calibration_error import compute_ece
from fashion_api.training.report.markdown import percent
from fashion_api.training.report.plots import (
    plot_confusion_matrix,
    plot_contact_sheet,
    plot_learning_curves,
    plot_reliability,
)

LEARNING_CURVES, CONFUSION_MATRIX, RELIABILITY, MISTAKES = (
    "learning_curves",
    "confusion_matrix",
    "reliability",
    "mistakes",
)
_SHOWN_MISTAKES = 24
_LONGEST_LABEL = 30


def figure_path(model_path: Path, name: str) -> Path:
    """Give the path of a figure of the model at `model_path`."""
    return model_path.with_name(f"{model_path.stem}_{name}.png")


def write_figures(
    model_path: Path, manifest: Manifest, test: Split, answers: Predictions, *, history: Sequence[Epoch]
) -> list[Path]:
    """Draw the learning curves, the confusion matrix, the reliability diagram and the most confident mistakes.

    For a model without mistakes, the sheet of an earlier evaluation is removed. Without a history, existing learning
    curves are kept.

    Returns:
        The paths of the figures drawn.
    """
    contents = {
        CONFUSION_MATRIX: draw_confusion_matrix(manifest),
        RELIABILITY: draw_reliability(manifest, test, answers),
        MISTAKES: draw_mistakes(manifest, test, answers),
    }
    if manifest.training is not None and history:
        contents[LEARNING_CURVES] = draw_learning_curves(manifest.training, history, name=manifest.name)
    for name, content in contents.items():
        path = figure_path(model_path, name)
        if content is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, content)
    return [figure_path(model_path, name) for name, content in contents.items() if content is not None]


def draw_learning_curves(training: TrainingRecord, history: Sequence[Epoch], *, name: str) -> bytes:
    """Draw loss and accuracy by epoch, with a mark at the epoch that was kept."""
    title = (
        f"{name}: epoch {training.best_epoch} was kept, with a validation accuracy of "
        f"{percent(training.validation_accuracy)}\nRecipe {training.recipe}, seed {training.seed}"
    )
    return plot_learning_curves(history, best_index=training.best_epoch - 1, title=title)


def draw_confusion_matrix(manifest: Manifest) -> bytes | None:
    """Draw the confusion matrix of the manifest's evaluation; `None` if it has none."""
    record = manifest.evaluation
    if record is None:
        return None
    labels = _shorten(manifest.labels)
    matrix = np.array(record.confusion_matrix)
    errors = matrix - np.diag(np.diag(matrix))
    actual, predicted = np.unravel_index(errors.argmax(), errors.shape)
    finding = f"{_name(manifest)}: {record.images - record.correct:,} of {record.images:,} test images wrong"
    if errors.any():
        finding += (
            f"\nThe most frequent error: {labels[actual]} taken for {labels[predicted]}, "
            f"{errors[actual, predicted]} times"
        )
    return plot_confusion_matrix(matrix, labels, title=finding)


def draw_reliability(manifest: Manifest, test: Split, answers: Predictions) -> bytes:
    """Draw accuracy by confidence, without and, for a calibrated model, with the temperature."""
    served = answers.probabilities
    is_correct = answers.class_ids == test.labels
    panels = [("as served", served.max(axis=1))]
    if manifest.calibration is not None:
        temperature = manifest.calibration.temperature
        panels = [
            ("as the network gives it", apply_temperature(served, 1 / temperature).max(axis=1)),
            (f"as served, temperature {temperature:.3f}", served.max(axis=1)),
        ]
    errors = [f"{100 * compute_ece(confidences, is_correct):.1f}" for _, confidences in panels]
    finding = " points, with the temperature by ".join(errors)
    title = f"{_name(manifest)}: confidence differs from accuracy by {finding} points, on average"
    return plot_reliability(panels, is_correct, title=title)


def draw_mistakes(manifest: Manifest, test: Split, answers: Predictions) -> bytes | None:
    """Draw the mistakes with the highest probabilities; `None` if there are none."""
    confidences = answers.probabilities.max(axis=1)
    wrong = np.flatnonzero(answers.class_ids != test.labels)
    worst = wrong[np.argsort(-confidences[wrong], kind="stable")][:_SHOWN_MISTAKES]
    if not len(worst):
        return None
    labels = _shorten(manifest.labels)
    captions = [
        f"no. {index}: {labels[test.labels[index]]}\ntaken for\n"
        f"{labels[answers.class_ids[index]]} ({confidences[index]:.1%})"
        for index in worst.tolist()
    ]
    title = f"{_name(manifest)}: the most confident of its {len(wrong)} mistakes, with what the data set says they are"
    return plot_contact_sheet(test.images[worst], captions, title=title)


def _name(manifest: Manifest) -> str:
    return f"{manifest.name} {manifest.sha256[:12]}"


def _shorten(labels: Sequence[str]) -> list[str]:
    """Write each label on one line, which leaves room for what is drawn."""
    lines = (" ".join(label.split()) for label in labels)
    return [line if len(line) <= _LONGEST_LABEL else f"{line[: _LONGEST_LABEL - 1]}…" for line in lines]
