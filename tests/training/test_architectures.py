from dataclasses import replace

import numpy as np
import pytest

from fashion_api.training.architectures import build_model
from fashion_api.training.recipe import RECIPES


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (28, 28)], ids=str)
@pytest.mark.parametrize("name", RECIPES)
def test_any_size_and_number_of_classes_gives_probabilities(name: str, shape: tuple[int, int], classes: int) -> None:
    """Each network answers a probability for each class, for images of any size."""
    model = build_model(replace(RECIPES[name], hidden_units=4), shape=shape, classes=classes, precision="float32")

    probabilities = model(np.full((3, *shape, 1), 200, np.float32)).numpy()

    assert probabilities.shape == (3, classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


def test_tutorial_has_the_original_layers() -> None:
    """The tutorial's network has the layers of the original, at its sizes."""
    model = build_model(RECIPES["tutorial"], shape=(28, 28), classes=10, precision="float32")

    # 64·(2·2·1+1) + 32·(2·2·64+1) + 256·(7·7·32+1) + 10·(256+1)
    assert model.count_params() == 412_778
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.3, 0.3, 0.5]


@pytest.mark.parametrize("name", RECIPES)
def test_dropout_rates_go_from_input_to_output(name: str) -> None:
    """The dropout layers have the recipe's rates, in its order."""
    recipe = replace(RECIPES[name], dropout_rates=(0.1, 0.2, 0.3))
    model = build_model(recipe, shape=(8, 8), classes=2, precision="float32")

    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.1, 0.2, 0.3]


def test_pixels_are_scaled_in_the_model() -> None:
    """The first layer brings 0–255 to 0–1, so that nobody else has to."""
    model = build_model(RECIPES["small"], shape=(8, 8), classes=2, precision="float32")

    assert float(model.layers[0](np.array([255.0], np.float32)).numpy()[0]) == pytest.approx(1)


@pytest.mark.parametrize("name", RECIPES)
def test_mixed_precision_keeps_float32_weights(name: str) -> None:
    """Training in mixed precision has the same weights in the same type, so that they fit the model that is saved."""
    mixed, plain = (
        build_model(RECIPES[name], shape=(8, 8), classes=2, precision=precision)
        for precision in ("mixed_bfloat16", "float32")
    )

    assert [(w.dtype, w.shape) for w in mixed.weights] == [(w.dtype, w.shape) for w in plain.weights]
