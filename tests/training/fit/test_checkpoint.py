from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_api.errors import TrainingError
from fashion_api.training.fit.checkpoint import Checkpoint
from fashion_api.training.history import Epoch


def epoch(validation_accuracy: float, *, loss: float = 0.2) -> Epoch:
    return Epoch(loss=0.1, accuracy=0.9, validation_loss=loss, validation_accuracy=validation_accuracy, duration_s=1.5)


@pytest.fixture
def checkpoint() -> Checkpoint:
    return Checkpoint(
        configuration={"seed": "1", "epochs": "3"},
        history=(epoch(0.5), epoch(0.75)),
        variables=(np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2], np.uint32)),
        optimizer_variables=(np.array(4, np.int64),),
        best_weights=tuple(np.full(1, index, np.float32) for index in range(12)),
    )


def test_checkpoint_is_read_as_it_was_written(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Reading restores the history, the configuration, and every array with its values and type."""
    checkpoint.write(tmp_path / "run" / "checkpoint.npz")

    read = Checkpoint.read(tmp_path / "run" / "checkpoint.npz")

    assert (read.configuration, read.history) == (checkpoint.configuration, checkpoint.history)
    for name in ("variables", "optimizer_variables", "best_weights"):
        for found, expected in zip(getattr(read, name), getattr(checkpoint, name), strict=True):
            np.testing.assert_array_equal(found, expected, strict=True)


def test_missing_checkpoint_is_an_error(tmp_path: Path) -> None:
    """Without a checkpoint there is no run to resume."""
    with pytest.raises(TrainingError, match="no run to resume"):
        Checkpoint.read(tmp_path / "checkpoint.npz")


@pytest.mark.parametrize("kept_bytes", [0, 10, 1000])
def test_damaged_checkpoint_is_an_error(checkpoint: Checkpoint, tmp_path: Path, kept_bytes: int) -> None:
    """A truncated file is refused."""
    path = tmp_path / "checkpoint.npz"
    checkpoint.write(path)
    path.write_bytes(path.read_bytes()[:kept_bytes])

    with pytest.raises(TrainingError, match="is not a checkpoint"):
        Checkpoint.read(path)


@pytest.mark.parametrize(("offset", "value"), [(8, 1), (10, 99)], ids=["encrypted", "compressed by nothing known"])
def test_checkpoint_with_a_damaged_directory_is_an_error(
    checkpoint: Checkpoint, tmp_path: Path, offset: int, value: int
) -> None:
    """A file whose directory asks for what zip files may have, and a checkpoint never has, is refused."""
    path = tmp_path / "checkpoint.npz"
    checkpoint.write(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + offset] = value
    path.write_bytes(content)

    with pytest.raises(TrainingError, match="is not a checkpoint"):
        Checkpoint.read(path)


@pytest.mark.parametrize(
    ("history", "best"),
    [
        ((epoch(0.5), epoch(0.75), epoch(0.6)), 1),
        ((epoch(0.75, loss=0.3), epoch(0.75, loss=0.2), epoch(0.6, loss=0.1)), 1),
        ((epoch(0.5), epoch(0.75), epoch(0.75)), 1),
    ],
    ids=["highest accuracy", "of equals the lowest loss", "of equals the first"],
)
def test_best_epoch_is_chosen_on_validation(checkpoint: Checkpoint, history: tuple[Epoch, ...], best: int) -> None:
    """The best epoch has the highest validation accuracy and, among equals, the lowest loss."""
    assert replace(checkpoint, history=history).best_index == best


def test_same_configuration_is_accepted(checkpoint: Checkpoint) -> None:
    """A run can be resumed with the configuration that it was started with."""
    checkpoint.check_configuration({"epochs": "3", "seed": "1"})


def test_other_configuration_is_refused(checkpoint: Checkpoint) -> None:
    """A run is not resumed with another configuration; the message has the differences."""
    with pytest.raises(TrainingError, match=r"started differently: seed \(then 1, now 2\);"):
        checkpoint.check_configuration({"seed": "2", "epochs": "3"})
