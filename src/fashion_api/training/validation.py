"""The split of the training images into those trained on and those held back for validation."""

import logging
from dataclasses import dataclass

import numpy as np

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.manifest import Manifest, TrainingRecord
from fashion_api.training.arrays import Labels
from fashion_api.training.recipes import Recipe

logger = logging.getLogger(__name__)

_SEED = 1708_07747  # any fixed number; this one is Fashion-MNIST's on arXiv


@dataclass(frozen=True)
class TrainingData:
    """The images to train on, and those held back for validation."""

    images: Images
    labels: Labels
    validation_images: Images
    validation_labels: Labels


def hold_back(split: Split, recipe: Recipe) -> TrainingData:
    """Split the training set's first images, as many as the recipe says, at random with a fixed seed.

    The split does not depend on the run's seed, so that runs with different seeds are compared on the same images.

    Raises:
        TrainingError: there are too few images.
    """
    available = len(split) if recipe.data_size is None else min(recipe.data_size, len(split))
    return _divide(split, available, recipe.count_validation_images(available))


def load_training_data(manifest: Manifest | None, source: DataSource) -> TrainingData | None:
    """Load the images that a model was trained and validated on; `None` if its manifest has no record of that.

    A warning is logged where the training set is not the one that the manifest records.

    Raises:
        DataError: the training set is missing or broken.
        TrainingError: it has fewer images than the model was trained on.
    """
    if manifest is None or manifest.training is None:
        return None
    split = source.load("train")
    if manifest.training.data_sha256 not in (None, split.sha256):
        logger.warning(
            "the data set was changed since the model was trained: images that it was trained on may be among those "
            "that it is scored on now, and its figures too good"
        )
    return find_held_back(split, manifest.training)


def find_held_back(split: Split, record: TrainingRecord) -> TrainingData:
    """Split the training set as it was split for the run of `record`.

    Raises:
        TrainingError: the training set has fewer images than that run had.
    """
    available = record.training_images + record.validation_images
    if available > len(split):
        raise TrainingError(
            f"the model was trained on {available} images, those held back included, but the training set at hand has "
            f"{len(split)}: set FASHION_DATA_DIR to the one that it was trained on"
        )
    return _divide(split, available, record.validation_images)


def _divide(split: Split, available: int, count: int) -> TrainingData:
    order = np.random.default_rng(_SEED).permutation(available)
    held_back, kept = order[:count], order[count:]
    return TrainingData(
        images=split.images[kept],
        labels=split.labels[kept],
        validation_images=split.images[held_back],
        validation_labels=split.labels[held_back],
    )
