from pathlib import Path

import pytest

from fashion_api.errors import SettingsError, TrainingError
from fashion_api.files import sha256_hex
from fashion_api.inference.manifest import read_manifest
from fashion_api.settings import FASHION_MNIST_LABELS, TrainingSettings
from fashion_api.training.recipes import RECIPES, Recipe, list_recipes, resolve_recipe

REPOSITORY = Path(__file__).parents[2]


def resolve_with(**changes: object) -> Recipe:
    return resolve_recipe(TrainingSettings.model_validate(changes))


def test_settings_choose_default_recipe() -> None:
    """Without settings, the recipe is the default one, unchanged."""
    assert resolve_with() == RECIPES["compact"]


def test_tutorial_is_the_original() -> None:
    """The tutorial's recipe has the optimiser, rate, batches, epochs and data of the original."""
    recipe = RECIPES["tutorial"]

    assert (recipe.optimizer, recipe.learning_rate, recipe.batch_size, recipe.epochs) == ("rmsprop", 0.001, 64, 100)
    assert (recipe.data_size, recipe.hidden_units, recipe.dropout_rates) == (1000, 256, (0.3, 0.3, 0.5))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 3),
        ("optimizer", "adadelta"),
        ("learning_rate", 0.5),
        ("batch_size", 7),
        ("dropout_rates", (0.0, 0.1, 0.2)),
        ("hidden_units", 9),
        ("data_size", 500),
        ("validation_size", 11),
    ],
)
def test_set_value_replaces_the_recipes(name: str, value: object) -> None:
    """A setting replaces the recipe's value."""
    assert getattr(resolve_with(recipe="small", **{name: value}), name) == value


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].teachers])
def test_recipe_brings_its_teachers(name: str) -> None:
    """By default, the teachers are models of the repository, with the digests of their manifests."""
    teachers = resolve_with(recipe=name).teachers

    assert teachers
    for path in teachers:
        manifest = read_manifest(REPOSITORY / path)
        assert manifest is not None
        assert manifest.labels == FASHION_MNIST_LABELS
        assert manifest.sha256 == sha256_hex((REPOSITORY / path).read_bytes())


@pytest.mark.parametrize("teachers", [(), ("a.h5", "b.h5")], ids=["none", "two"])
def test_set_teachers_replace_the_recipes(teachers: tuple[str, ...]) -> None:
    """Other teachers can be set, and none as well."""
    assert resolve_with(recipe="standard", teachers=teachers).teachers == tuple(map(Path, teachers))


def test_own_classes_have_no_teachers_but_those_set() -> None:
    """For other classes than Fashion-MNIST's, the recipe's teachers are left out; those that are set are used."""
    assert resolve_with(recipe="standard", class_names=("left", "right")).teachers == ()
    assert resolve_with(recipe="standard", class_names=("left", "right"), teachers=("a.h5",)).teachers == (
        Path("a.h5"),
    )


def test_unknown_recipe_is_refused() -> None:
    """A recipe that does not exist is refused with the names of those that do."""
    with pytest.raises(
        SettingsError, match=f"^FASHION_RECIPE: there is no recipe 'large'; there are: {', '.join(RECIPES)}"
    ):
        resolve_with(recipe="large")


def test_wrong_number_of_dropout_rates_is_refused() -> None:
    """The number of dropout rates must be that of the dropout layers."""
    with pytest.raises(
        SettingsError, match=r"^FASHION_DROPOUT_RATES: the recipe 'small' has 3 dropout layers, but 2 rate\(s\) are set"
    ):
        resolve_with(recipe="small", dropout_rates=(0.1, 0.2))


def test_own_classes_are_not_mirrored() -> None:
    """Images of classes other than Fashion-MNIST's are not mirrored, as that may change the class."""
    assert not resolve_with(class_names=("left", "right")).augmentation.is_flipped


def test_turned_images_of_own_classes_are_no_outliers() -> None:
    """A turned image of classes other than Fashion-MNIST's may be of a class, as of the data set's own names."""
    assert resolve_with().has_turned_outliers
    assert not resolve_with(class_names=("6", "9")).has_turned_outliers
    assert not resolve_recipe(TrainingSettings(), ("6", "9")).has_turned_outliers


def test_validation_share_follows_the_data() -> None:
    """The same share is held back from fewer images."""
    assert RECIPES["small"].count_validation_images(120) == 10


@pytest.mark.parametrize("size", [10, 11])
def test_holding_everything_back_is_refused(size: int) -> None:
    """At least one image must be left to train on."""
    recipe = resolve_with(validation_size=size)

    with pytest.raises(TrainingError, match="cannot be held back from 10 training images"):
        recipe.count_validation_images(10)


def test_holding_nothing_back_is_refused() -> None:
    """At least one image must be held back."""
    with pytest.raises(TrainingError, match="0 validation images cannot be held back from 3 training images"):
        RECIPES["small"].count_validation_images(3)


@pytest.mark.parametrize("name", RECIPES)
def test_list_fits_a_terminal(name: str) -> None:
    """What the list says of a recipe fits 80 columns."""
    (described,) = (part for part in list_recipes().split("\n\n") if part.startswith(f"{name}: "))
    assert max(map(len, described.splitlines())) <= 80


@pytest.mark.parametrize("name", RECIPES)
def test_list_names_every_recipe(name: str) -> None:
    """The list has every recipe, with its teachers."""
    assert f"{name}: {RECIPES[name].description}" in list_recipes()
    assert all(f"teachers: {teacher}" in list_recipes() for teacher in RECIPES[name].teachers)
