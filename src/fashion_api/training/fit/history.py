"""The training log: the figures of every epoch, as CSV beside the model, as Keras's `CSVLogger` writes them."""

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from fashion_api.errors import TrainingError
from fashion_api.training.fit.checkpoint import Epoch

_COLUMNS = ["epoch", *(field.name for field in fields(Epoch))]


def log_path(model_path: Path) -> Path:
    """Where the training log of the model at `model_path` is."""
    return model_path.with_name(f"{model_path.stem}_training_log.csv")


def format_history(history: Iterable[Epoch]) -> str:
    """Write the figures of each epoch, a line an epoch."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((number, *astuple(epoch)) for number, epoch in enumerate(history, start=1))
    return text.getvalue()


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Read a training log; nothing where there is none.

    Raises:
        TrainingError: it cannot be read, or is not what `format_history` writes.
    """
    try:
        header, *rows = csv.reader(io.StringIO(path.read_text()))
        epochs = tuple(Epoch(*map(float, figures)) for _, *figures in rows)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise TrainingError(f"the training log {path} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise TrainingError(f"{path} is not a training log: {error}") from error
    if header != _COLUMNS:
        raise TrainingError(f"{path} is not a training log: its columns are not {', '.join(_COLUMNS)}")
    return epochs
