"""The plots of training and evaluation, as PNG."""

import io
import math
import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from fashion_api.images import Images
from fashion_api.training.arrays import Floats
from fashion_api.training.history import Epoch
from fashion_api.training.metrics.calibration_error import BINS, bin_confidences
from fashion_api.training.metrics.confusion import ConfusionMatrix
from fashion_api.training.metrics.intervals import compute_wilson_interval

_TRAINING, _VALIDATION, _MUTED, _RIGHT = "#1f6fb4", "#d1671b", "#666666", "#e6ecf2"


def plot_learning_curves(history: Sequence[Epoch], *, best_index: int, title: str) -> bytes:
    """Draw loss and accuracy by epoch, in training and validation, with a mark at the kept epoch."""
    figure = Figure(figsize=(10, 4.2), dpi=120, layout="constrained")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    _draw_curves(loss_axes, [epoch.loss for epoch in history], [epoch.validation_loss for epoch in history], best_index)
    _draw_curves(
        accuracy_axes,
        [epoch.accuracy for epoch in history],
        [epoch.validation_accuracy for epoch in history],
        best_index,
    )
    loss_axes.set(title="Loss (cross-entropy)", ylim=(0, None))
    accuracy_axes.set(title="Accuracy")
    lines = loss_axes.get_legend_handles_labels()  # accuracy may lack a line
    accuracy_axes.legend(*lines, loc="lower right", framealpha=1, edgecolor="none")
    figure.suptitle(title, fontsize=11, parse_math=False)
    return _encode(figure)


def _draw_curves(axes: Axes, training: Sequence[float], validation: Sequence[float], best_index: int) -> None:
    for figures, colour, label in (
        (training, _TRAINING, "training, while learning"),
        (validation, _VALIDATION, "validation"),
    ):
        epochs = [number for number, figure in enumerate(figures, start=1) if math.isfinite(figure)]
        if epochs:
            marker = "o" if len(epochs) <= 30 else ""  # noqa: PLR2004  # more would hide the line
            measured = [figures[number - 1] for number in epochs]
            axes.plot(epochs, measured, color=colour, marker=marker, markersize=3, label=label)
    axes.axvline(best_index + 1, color=_MUTED, linestyle=":", linewidth=1, label=f"kept: epoch {best_index + 1}")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def plot_confusion_matrix(matrix: ConfusionMatrix, labels: Sequence[str], *, title: str) -> bytes:
    """Draw the counts of int[actual, predicted]; colour shows the errors alone, from one to the most frequent."""
    side = min(24.0, 3.8 + 0.62 * len(labels))
    figure = Figure(figsize=(side, side * 0.88), dpi=120, layout="constrained")
    axes = figure.subplots()
    is_error = ~np.eye(len(labels), dtype=bool)
    errors = np.ma.masked_where(~is_error | (matrix == 0), matrix)
    most = max(int(matrix[is_error].max(initial=0)), 2)
    drawn = axes.imshow(errors, cmap="YlOrRd", norm=LogNorm(vmin=1, vmax=most))
    figure.colorbar(drawn, ax=axes, shrink=0.6, label="Errors (log scale)", format="{x:g}")
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(ticks, labels, parse_math=False)
    axes.set(xlabel="Predicted", ylabel="Actual")
    for (actual, predicted), count in np.ndenumerate(matrix):
        if actual == predicted:
            axes.add_patch(Rectangle((predicted - 0.5, actual - 0.5), 1, 1, color=_RIGHT))
        if count:
            is_dark = actual != predicted and count > most**0.8
            colour = "white" if is_dark else "black"
            axes.text(predicted, actual, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    figure.suptitle(title, fontsize=11, parse_math=False)
    return _encode(figure)


def plot_reliability(panels: Sequence[tuple[str, Floats]], is_correct: npt.NDArray[np.bool_], *, title: str) -> bytes:
    """Draw accuracy by confidence (a reliability diagram: A. Niculescu-Mizil, R. Caruana, ICML 2005).

    Args:
        panels: the title of each, and its confidences [n].
        is_correct: bool[n], whether the most probable class is the right one.
        title: of the figure.
    """
    figure = Figure(figsize=(1 + 4.6 * len(panels), 5.8), dpi=120, layout="constrained")
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, height_ratios=(3, 1))
    for column, (name, confidences) in enumerate(panels):
        _draw_reliability(axes[0, column], axes[1, column], confidences, is_correct)
        axes[0, column].set_title(name)
    axes[0, 0].set_ylabel("Accuracy")
    axes[1, 0].set_ylabel("Images (log scale)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title, fontsize=11, parse_math=False)
    return _encode(figure)


def _draw_reliability(upper: Axes, lower: Axes, confidences: Floats, is_correct: npt.NDArray[np.bool_]) -> None:
    bins = bin_confidences(confidences)
    counts = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(counts)
    correct = np.bincount(bins, weights=is_correct, minlength=BINS)[used].astype(int)
    accuracy = correct / counts[used]
    mean_confidence = np.bincount(bins, weights=confidences, minlength=BINS)[used] / counts[used]
    ends = np.array([compute_wilson_interval(right, all_) for right, all_ in zip(correct, counts[used], strict=True)])
    upper.plot((0, 1), (0, 1), color=_MUTED, linestyle=":", linewidth=1, label="calibrated exactly")
    upper.errorbar(
        mean_confidence,
        accuracy,
        np.abs(ends.T - accuracy),
        fmt="o",
        color=_VALIDATION,
        markersize=4,
        linewidth=1,
        label="accuracy by bin of confidence, 95 % interval",
    )
    upper.set(xlim=(0, 1.02), ylim=(0, 1.02))
    lower.plot(mean_confidence, counts[used], "o", color=_MUTED, markersize=4)
    lower.set(xlabel="Confidence: the largest probability", yscale="log", ylim=(0.7, 2 * len(confidences)))
    for part in (upper, lower):
        part.grid(alpha=0.25)
        part.spines[["top", "right"]].set_visible(False)


def plot_contact_sheet(images: Images, captions: Sequence[str], *, title: str) -> bytes:
    """Draw images, grey or in colour, one or more, eight in a row, each above its caption of up to three lines."""
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(max(5.0, 1.55 * columns), 0.7 + 2.15 * rows), dpi=120, layout="constrained")
    cells = figure.subplots(rows, columns, squeeze=False).ravel()
    for cell in cells:
        cell.set_axis_off()
    for cell, image, caption in zip(cells, images, captions, strict=False):
        cell.imshow(image, cmap="gray", vmin=0, vmax=255)
        cell.text(0.5, -0.04, caption, transform=cell.transAxes, ha="center", va="top", fontsize=8, parse_math=False)
        cell.set_title(" ", fontsize=14)  # space for the caption of the row above
    figure.suptitle(title, parse_math=False)
    return _encode(figure)


def _encode(figure: Figure) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # one of a label; it is drawn as a box
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
