import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import Settings
from fashion_api.training.recipes import RECIPES, Recipe
from fashion_api.training.validation import find_held_back, hold_back, load_training_data
from tests.colour_pictures import CLASSES, write_folders
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


@pytest.mark.parametrize(("is_added", "warnings"), [(False, 0), (True, 1)], ids=["same", "one picture more"])
def test_data_set_that_was_changed_since_is_named(
    is_added: bool,  # noqa: FBT001  # a parameter of the test
    warnings: int,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One picture more, and other pictures of its class are held back for the test, some of them trained on."""
    write_folders(tmp_path, {"": 30}, height=4, width=5)
    source = find_data_set(Settings(data_dir=tmp_path))
    split = source.load("train")
    record = TRAINING_RECORD.model_copy(
        update={"data_sha256": split.sha256, "training_images": len(split) - 2, "validation_images": 2}
    )
    manifest = Manifest(
        name="m", sha256="0" * 64, labels=split.names, input=InputSpec(height=4, width=5), training=record
    )
    if is_added:
        picture = next((tmp_path / CLASSES[0]).iterdir())
        shutil.copy(picture, picture.with_name("more.png"))
    caplog.clear()

    load_training_data(manifest, source)

    assert caplog.text.count("the data set was changed since") == warnings
