from dataclasses import replace

import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.training.recipes import RECIPES, Recipe
from fashion_api.training.validation import find_held_back, hold_back
from tests.training.samples import TRAINING_RECORD


@pytest.fixture
def split() -> Split:
    """A hundred images, each with a pixel value of its own."""
    numbers = np.arange(100, dtype=np.uint8)
    return Split(images=numbers.reshape(100, 1, 1), labels=numbers, sha256="0" * 64)


@pytest.fixture
def recipe() -> Recipe:
    return replace(RECIPES["small"], validation_size=20)


def test_held_back_images_are_not_trained_on(split: Split, recipe: Recipe) -> None:
    """Every image is either trained on or held back, and none is both."""
    data = hold_back(split, recipe)

    assert sorted([*data.images.ravel(), *data.validation_images.ravel()]) == list(range(100))
    assert len(data.validation_images) == 20


def test_split_is_always_the_same(split: Split, recipe: Recipe) -> None:
    """The same images are held back in every run, so that runs can be compared."""
    assert hold_back(split, recipe).validation_labels[:5].tolist() == [64, 63, 95, 9, 56]


def test_labels_stay_with_their_images(split: Split, recipe: Recipe) -> None:
    """Both parts keep each image's own label."""
    data = hold_back(split, recipe)

    np.testing.assert_array_equal(data.images.ravel(), data.labels)
    np.testing.assert_array_equal(data.validation_images.ravel(), data.validation_labels)


def test_data_size_takes_the_first_images(split: Split, recipe: Recipe) -> None:
    """A limited number of images is taken from the first on, those held back included."""
    data = hold_back(split, replace(recipe, data_size=30))

    assert sorted([*data.labels, *data.validation_labels]) == list(range(30))


def test_data_size_beyond_the_data_takes_all(split: Split, recipe: Recipe) -> None:
    """A recipe for more images takes those that there are."""
    assert len(hold_back(split, replace(recipe, data_size=1000)).images) == 80


def test_images_of_an_earlier_run_are_found_again(split: Split, recipe: Recipe) -> None:
    """The split of an earlier run is restored from its numbers of images."""
    data = hold_back(split, replace(recipe, data_size=60))
    record = TRAINING_RECORD.model_copy(update={"training_images": 40, "validation_images": 20})

    again = find_held_back(split, record)

    np.testing.assert_array_equal(again.validation_images, data.validation_images)
    np.testing.assert_array_equal(again.labels, data.labels)
