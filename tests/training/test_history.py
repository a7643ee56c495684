from pathlib import Path

import numpy as np
import pytest

from fashion_api.errors import TrainingError
from fashion_api.training.history import Epoch, format_history, read_history

HISTORY = (Epoch(0.9, 0.1, 1 / 3, 0.25, 61.5), Epoch(0.7, 0.2, 1e-7, 0.5, 3.0))


def test_log_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Each figure is restored exactly."""
    path = tmp_path / "log.csv"
    path.write_text(format_history(HISTORY))

    assert read_history(path) == HISTORY


def test_missing_log_has_no_epochs(tmp_path: Path) -> None:
    """A model without a log has an empty history."""
    assert read_history(tmp_path / "gone.csv") == ()


def test_figure_that_was_not_measured_is_an_empty_cell(tmp_path: Path) -> None:
    """NaN is written as an empty cell, and read as NaN again."""
    path = tmp_path / "log.csv"
    path.write_text(format_history([Epoch(0.9, float("nan"), 1 / 3, 0.25, float("nan"))]))

    assert path.read_text().splitlines()[1] == "1,0.9,,0.3333333333333333,0.25,"
    (epoch,) = read_history(path)
    assert np.isnan([epoch.accuracy, epoch.duration_s]).all()
    assert epoch.loss == 0.9


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        format_history(HISTORY).replace("61.5", "long").encode(),
        format_history(HISTORY).replace(",61.5", "").encode(),
        format_history(HISTORY).replace("accuracy", "error").encode(),
    ],
    ids=["empty", "binary", "no number", "a figure missing", "other columns"],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no training log is refused."""
    path = tmp_path / "log.csv"
    path.write_bytes(content)

    with pytest.raises(TrainingError, match=r"log\.csv is not a training log"):
        read_history(path)


def test_log_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A log that cannot be read is an error that names it."""
    with pytest.raises(TrainingError, match=r"the training log .* cannot be read: Is a directory"):
        read_history(tmp_path)
