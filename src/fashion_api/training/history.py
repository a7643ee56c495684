"""The history of a training run: the figures of every epoch, and their log as CSV beside the model.

A figure that was not measured is NaN, and an empty cell in the log.
"""

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from fashion_api.errors import TrainingError


@dataclass(frozen=True)
class Epoch:
    """The figures of one epoch; those of the training images are with augmentation and dropout."""

    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float
    duration_s: float


_COLUMNS = ["epoch", *(field.name for field in fields(Epoch))]


def log_path(model_path: Path) -> Path:
    """Give the path of the training log of the model at `model_path`."""
    return model_path.with_name(f"{model_path.stem}_training_log.csv")


def format_history(history: Iterable[Epoch]) -> str:
    """Format a history as CSV, a line for each epoch, in the format of Keras's `CSVLogger`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((number, *map(_format, astuple(epoch))) for number, epoch in enumerate(history, start=1))
    return text.getvalue()


def _format(figure: float) -> float | str:
    return "" if math.isnan(figure) else figure


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Read a training log; it is empty if there is no such file.

    Raises:
        TrainingError: it cannot be read, or is not what `format_history` writes.
    """
    try:
        header, *rows = csv.reader(io.StringIO(path.read_text()))
        epochs = tuple(Epoch(*(float(figure or "nan") for figure in figures)) for _, *figures in rows)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TrainingError(f"the training log {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise TrainingError(f"{path} is not a training log: {error}") from error
    if header != _COLUMNS:
        raise TrainingError(f"{path} is not a training log: its columns are not {', '.join(_COLUMNS)}")
    return epochs
