"""A made-up data set that a network learns in moments, and what is trained on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import FILES, DataSource, Split
from fashion_api.inference.manifest import TrainingRecord
from fashion_api.settings import TrainingSettings
from fashion_api.training.fit.training import TrainingOutcome, train_model

LABELS = ("top", "bottom")
COMMAND = "fashion-api train"
TRAINING_RECORD = TrainingRecord(
    recipe="small",
    command="fashion-api train --recipe small",
    seed=3,
    optimizer="adam",
    learning_rate=0.002,
    batch_size=128,
    epochs=18,
    epochs_run=18,
    best_epoch=15,
    dropout_rates=(0.2,),
    hidden_units=128,
    precision="float32",
    training_images=55000,
    validation_images=5000,
    training_accuracy=0.9,
    validation_accuracy=0.925,
    parameters=7,
    duration_s=600,
    finished_at="2026-01-01T00:00:00+00:00",
    versions={"python": "3.11"},
)
"""Of a run that there never was."""

Train = Callable[..., TrainingOutcome]


def write_data_set(directory: Path, *, height: int = 8, width: int = 8, classes: int = 2) -> None:
    """Write 64 training and 32 test images, noise with a bright band at the height that is the class's."""
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for (images_name, labels_name), count in zip((FILES["train"], FILES["test"]), (64, 32), strict=True):
        labels = (np.arange(count) % classes).astype(np.uint8)
        images = rng.integers(0, 60, (count, height, width), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[height * label // classes : height * (label + 1) // classes] += 180
        (directory / images_name).write_bytes(_encode_idx(images))
        (directory / labels_name).write_bytes(_encode_idx(labels))


def _encode_idx(values: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]") -> bytes:
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def make_settings(directory: Path, **changes: object) -> TrainingSettings:
    """Give the settings of a run of a second: three epochs of three steps, with a network as small as can be."""
    defaults: dict[str, object] = {
        "data_dir": directory,
        "image_height": 8,
        "image_width": 8,
        "class_names": LABELS,
        "validation_size": 16,
        "batch_size": 16,
        "epochs": 3,
        "hidden_units": 16,
        "dropout_rates": (0.1, 0.1, 0.1),
        "learning_rate": 0.01,
        "precision": "mixed_bfloat16",
    }
    return TrainingSettings.model_validate(defaults | changes)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up data set: images of 8×8 pixels in two classes."""
    directory = tmp_path_factory.mktemp("data")
    write_data_set(directory)
    return directory


@pytest.fixture
def test_set(data_dir: Path) -> Split:
    """The made-up data set's test images."""
    return DataSource.from_settings(make_settings(data_dir)).load("test")


@pytest.fixture
def train(data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train in a folder of the test's own, with changes to the settings by field name."""
    monkeypatch.chdir(tmp_path)

    def run(*, resume: bool = False, **changes: object) -> TrainingOutcome:
        return train_model(make_settings(data_dir, **changes), command=COMMAND, resume=resume)

    return run


@pytest.fixture(scope="session")
def trained(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingOutcome:
    """A finished run, for the tests that only look at what it left behind."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(folder)
        settings = make_settings(data_dir, model_path=folder / "models" / "bands.h5")
        return train_model(settings, command=COMMAND)
