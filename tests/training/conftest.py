"""Models trained on the small data set, for the tests of the training rooms."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from fashion_api.data.dataset import DataSource, Split
from fashion_api.training.synthetic.augmentation import Augment, augment
from tests.eager import computing_eagerly
from tests.training.samples import COMMAND, make_settings, write_data_set

if TYPE_CHECKING:  # at run time it would import TensorFlow, which not all of these tests need
    from fashion_api.training.fit.training import TrainingOutcome


class Train(Protocol):
    """Trains in a folder of the test's own; `changes` are settings by field name."""

    def __call__(
        self,
        *,
        model_path: Path | None = ...,
        resume: bool = ...,
        force: bool = ...,
        augment: Augment = ...,
        **changes: object,
    ) -> "TrainingOutcome": ...


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small data set: images of 8×8 pixels in two classes."""
    directory = tmp_path_factory.mktemp("data")
    write_data_set(directory)
    return directory


@pytest.fixture
def test_set(data_dir: Path) -> Split:
    """The small data set's test images."""
    return DataSource.from_settings(make_settings(data_dir)).load("test")


@pytest.fixture
def train(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Train]:
    """Train in a folder of the test's own."""
    from fashion_api.training.fit.training import train_model  # noqa: PLC0415  # imports TensorFlow

    monkeypatch.chdir(tmp_path)

    def run(
        *,
        model_path: Path | None = None,
        resume: bool = False,
        force: bool = False,
        augment: Augment = augment,
        **changes: object,
    ) -> "TrainingOutcome":
        return train_model(
            make_settings(data_dir, **changes),
            command=COMMAND,
            model_path=model_path,
            resume=resume,
            force=force,
            augment=augment,
        )

    with computing_eagerly():
        yield run


@pytest.fixture(scope="session")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> "TrainingOutcome":
    """A finished run, for the tests that only look at its results."""
    from fashion_api.training.fit.training import train_model  # noqa: PLC0415  # imports TensorFlow

    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch, computing_eagerly():
        monkeypatch.chdir(folder)
        return train_model(make_settings(data_dir), command=COMMAND, model_path=folder / "models" / "bands.h5")
