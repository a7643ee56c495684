import re
from dataclasses import replace

import numpy as np
import pytest

from fashion_api.inference.h5_walk import check_model
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import keras
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import RECIPES

pytestmark = pytest.mark.tensorflow

RESIDUAL = sorted(name for name in RECIPES if RECIPES[name].architecture == "residual")
WITH_NOVELTY = sorted(name for name in RECIPES if RECIPES[name].outlier_share)
WITH_DROPOUT = sorted(name for name in RECIPES if RECIPES[name].dropout_rates)


@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (28, 28)], ids=str)
@pytest.mark.parametrize("name", RECIPES)
def test_any_size_and_number_of_classes_gives_probabilities(name: str, shape: tuple[int, int], classes: int) -> None:
    """Each network gives a probability for each class, for images of any size."""
    model = build_model(replace(RECIPES[name], hidden_units=4), shape=shape, classes=classes, precision="float32")

    outputs = model(np.full((3, *shape, 1), 200, np.float32))
    probabilities = (outputs[0] if isinstance(outputs, list) else outputs).numpy()

    assert probabilities.shape == (3, classes)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_saved_network_passes_the_walk(name: str) -> None:
    """What training writes by a recipe is a file that serving reads."""
    check_model(encode_h5(build_model(RECIPES[name], shape=(28, 28), classes=10, precision="float32")))


@pytest.mark.parametrize("name", RECIPES)
def test_images_in_colour_are_taken(name: str) -> None:
    """Each network takes images in colour of any size."""
    model = build_model(replace(RECIPES[name], hidden_units=4), shape=(5, 7, 3), classes=2, precision="float32")
    assert model.input_shape == (None, 5, 7, 3)


@pytest.mark.parametrize("name", ["compact", "small"])
def test_dense_layer_does_not_grow_with_the_image(name: str) -> None:
    """An image of 96×96 pixels needs as many weights as one of 32×32."""
    weights = {
        size: build_model(RECIPES[name], shape=(size, size, 3), classes=2, precision="float32").count_params()
        for size in (32, 96)
    }
    assert weights[96] == weights[32]


def test_tutorial_has_the_original_layers() -> None:
    """The tutorial's network has the layers and sizes of the original."""
    model = build_model(RECIPES["tutorial"], shape=(28, 28), classes=10, precision="float32")

    # 64·(2·2·1+1) + 32·(2·2·64+1) + 256·(7·7·32+1) + 10·(256+1)
    assert model.count_params() == 412_778
    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == [0.3, 0.3, 0.5]


@pytest.mark.parametrize("name", WITH_NOVELTY)
def test_network_with_outliers_scores_novelty(name: str) -> None:
    """With outliers, the second output is a non-negative number for each image."""
    model = build_model(RECIPES[name], shape=(8, 8), classes=2, precision="float32")

    novelty = model(np.random.default_rng(0).uniform(0, 255, (5, 8, 8, 1)).astype(np.float32))[1].numpy()

    assert novelty.shape == (5, 1)
    assert (novelty > 0).all()


@pytest.mark.parametrize("name", RESIDUAL)
def test_network_without_outliers_has_one_output(name: str) -> None:
    """Without outliers, there is no novelty output."""
    model = build_model(replace(RECIPES[name], outlier_share=0), shape=(8, 8), classes=2, precision="float32")

    assert model.output_names == ["probabilities"]


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_network_has_standard_layers_only(name: str) -> None:
    """A residual network can be loaded without code of ours."""
    model = build_model(RECIPES[name], shape=(28, 28), classes=10, precision="float32")

    assert {type(layer).__module__.split(".")[0] for layer in model.layers} == {"keras"}
    assert not [layer for layer in model.layers if isinstance(layer, keras.layers.Lambda)]


@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_blocks_start_as_their_shortcuts(name: str) -> None:
    """A block's last normalisation starts at 0, so that an untrained block is its shortcut."""
    model = build_model(RECIPES[name], shape=(28, 28), classes=10, precision="float32")
    lasts = [layer for layer in model.layers if re.fullmatch(r"block_\d_\db_norm", layer.name)]

    assert len(lasts) == sum(RECIPES[name].residual.blocks)  # type: ignore[union-attr]  # RESIDUAL have one
    assert all((layer.gamma.numpy() == 0).all() for layer in lasts)


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_dropout_rates_go_from_input_to_output(name: str) -> None:
    """The dropout layers have the recipe's rates, in its order."""
    rates = [(1 + index) / 10 for index in range(len(RECIPES[name].dropout_rates))]
    recipe = replace(RECIPES[name], dropout_rates=tuple(rates))
    model = build_model(recipe, shape=(8, 8), classes=2, precision="float32")

    assert [layer.rate for layer in model.layers if hasattr(layer, "rate")] == rates


def test_pixels_are_scaled_in_the_model() -> None:
    """The first layer scales 0–255 to 0–1."""
    model = build_model(RECIPES["small"], shape=(8, 8), classes=2, precision="float32")

    assert float(model.layers[0](np.array([255.0], np.float32)).numpy()[0]) == pytest.approx(1)


@pytest.mark.parametrize("name", RECIPES)
def test_mixed_precision_keeps_float32_weights(name: str) -> None:
    """Networks in mixed precision and in float32 have the same weights in the same type."""
    mixed, plain = (
        build_model(RECIPES[name], shape=(8, 8), classes=2, precision=precision)
        for precision in ("mixed_bfloat16", "float32")
    )

    assert [(w.dtype, w.shape) for w in mixed.weights] == [(w.dtype, w.shape) for w in plain.weights]
