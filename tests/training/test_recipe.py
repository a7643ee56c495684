import pytest

from fashion_api.exceptions import TrainingError
from fashion_api.settings import TrainingSettings
from fashion_api.training.recipe import RECIPES, Recipe, list_recipes, resolve


def resolve_with(**changes: object) -> Recipe:
    return resolve(TrainingSettings.model_validate(changes))


def test_settings_choose_default_recipe() -> None:
    """With nothing set, the recipe is the default one, as it stands."""
    assert resolve_with() == RECIPES["small"]


def test_tutorial_is_the_original() -> None:
    """The tutorial's recipe has the optimiser, the rate, the batches, the epochs and the data of the original."""
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
    """What is set stands in place of the recipe's own."""
    assert getattr(resolve_with(**{name: value}), name) == value


def test_unknown_recipe_is_refused() -> None:
    """A recipe that does not exist is refused with the names of those that do."""
    with pytest.raises(TrainingError, match="no recipe 'large'; there are: small, standard, compact, tutorial"):
        resolve_with(recipe="large")


def test_wrong_number_of_dropout_rates_is_refused() -> None:
    """Dropout rates have to be as many as the network's dropout layers."""
    with pytest.raises(TrainingError, match=r"'small' has 3 dropout layers, but 2 rate\(s\) are set"):
        resolve_with(dropout_rates=(0.1, 0.2))


def test_own_classes_are_not_mirrored() -> None:
    """Images of classes other than Fashion-MNIST's are not mirrored: that may make another class of them."""
    assert not resolve_with(class_names=("left", "right")).augmentation.is_flipped


def test_validation_share_follows_the_data() -> None:
    """Of fewer images, the same share is held back."""
    assert RECIPES["small"].count_validation_images(120) == 10


@pytest.mark.parametrize("size", [10, 11])
def test_holding_everything_back_is_refused(size: int) -> None:
    """At least one image has to be left to train on."""
    recipe = resolve_with(validation_size=size)

    with pytest.raises(TrainingError, match="cannot be held back from 10 training images"):
        recipe.count_validation_images(10)


def test_holding_nothing_back_is_refused() -> None:
    """At least one image has to be held back."""
    with pytest.raises(TrainingError, match="0 validation images cannot be held back from 3 training images"):
        RECIPES["small"].count_validation_images(3)


@pytest.mark.parametrize("name", RECIPES)
def test_list_names_every_recipe(name: str) -> None:
    """The list of the recipes has each of them."""
    assert f"{name}: {RECIPES[name].description}" in list_recipes()
