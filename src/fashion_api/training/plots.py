"""The pictures that training and evaluation leave behind, as PNG."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fashion_api.training.checkpoint import Epoch

_TRAINING, _VALIDATION, _MUTED = "#1f6fb4", "#d1671b", "#666666"


def plot_learning_curves(history: Sequence[Epoch], *, best_index: int, title: str) -> bytes:
    """Draw loss and accuracy by epoch, training against validation, the kept epoch marked."""
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
    accuracy_axes.legend(loc="lower right", framealpha=1, edgecolor="none")
    figure.suptitle(title)
    return _encode(figure)


def _draw_curves(axes: Axes, training: Sequence[float], validation: Sequence[float], best_index: int) -> None:
    epochs = range(1, len(training) + 1)
    marker = "o" if len(training) <= 30 else ""  # noqa: PLR2004  # more would hide the line
    axes.plot(epochs, training, color=_TRAINING, marker=marker, markersize=3, label="training, with dropout")
    axes.plot(epochs, validation, color=_VALIDATION, marker=marker, markersize=3, label="validation")
    axes.axvline(best_index + 1, color=_MUTED, linestyle=":", linewidth=1, label=f"kept: epoch {best_index + 1}")
    axes.set_xlabel("Epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def plot_confusion_matrix(matrix: npt.NDArray[np.int64], labels: Sequence[str], *, title: str) -> bytes:
    """Draw the counts of int[actual, predicted], each row coloured by its shares."""
    side = min(24.0, 3.2 + 0.62 * len(labels))
    figure = Figure(figsize=(side, side * 0.92), dpi=120, layout="constrained")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(labels))
    axes.set_xticks(ticks, labels, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, labels)
    axes.set(title=title, xlabel="Predicted", ylabel="Actual")
    for (actual, predicted), count in np.ndenumerate(matrix):
        if count:
            colour = "white" if shares[actual, predicted] > 0.5 else "black"  # noqa: PLR2004  # dark field
            axes.text(predicted, actual, f"{count}", ha="center", va="center", color=colour, fontsize=8)
    return _encode(figure)


def _encode(figure: Figure) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
