"""A small synthetic data set that a network learns in moments, and the settings and records of runs on it."""

from pathlib import Path

import numpy as np

from fashion_api.inference.manifest import TrainingRecord
from fashion_api.settings import TrainingSettings
from tests.idx import write_split

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
"""Of no real run."""


def write_data_set(directory: Path, *, height: int = 8, width: int = 8, classes: int = 2) -> None:
    """Write 64 training and 32 test images: noise with a bright band, whose height depends on the class."""
    rng = np.random.default_rng(7)
    counts = {"train": 64, "test": 32}
    for split in ("train", "test"):
        labels = (np.arange(counts[split]) % classes).astype(np.uint8)
        images = rng.integers(0, 60, (len(labels), height, width), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[height * label // classes : height * (label + 1) // classes] += 180
        write_split(directory, split, images, labels, compress=False)


def make_settings(directory: Path, **changes: object) -> TrainingSettings:
    """Settings of a run of a second, three epochs of three steps with a tiny network; the cache is with the data."""
    defaults: dict[str, object] = {
        "data_dir": directory,
        "cache_dir": directory / "cache",
        "image_height": 8,
        "image_width": 8,
        "class_names": LABELS,
        "recipe": "small",
        "validation_size": 16,
        "batch_size": 16,
        "epochs": 3,
        "hidden_units": 16,
        "dropout_rates": (0.1, 0.1, 0.1),
        "learning_rate": 0.01,
        "precision": "mixed_bfloat16",
    }
    return TrainingSettings.model_validate(defaults | changes)
