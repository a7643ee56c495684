"""The networks: uint8-valued images in, class probabilities out, in layers that every Keras loads from a `.h5`."""

from fashion_api.training.backend import Layer, Model, Policy, keras
from fashion_api.training.recipe import Recipe


def build_model(recipe: Recipe, *, shape: tuple[int, int], classes: int, precision: str) -> Model:
    """Build the recipe's network for float32[n, height, width, 1] in 0–255, with fresh weights.

    Any height and width will do: pooling rounds up, so that nothing shrinks to no pixels.

    Args:
        recipe: which network, its dropout rates and hidden units.
        shape: height and width of an image.
        classes: how many probabilities an image gets; two are as good as ten.
        precision: `float32` or `mixed_bfloat16`, what it computes in; the weights and the answer are float32 in both.

    Returns:
        A `keras.Sequential`, not compiled, its layers named so that two runs write the same file.
    """
    policy = keras.DTypePolicy(precision)
    body = {"small": _small, "tutorial": _tutorial}[recipe.architecture](recipe, policy)
    return keras.Sequential(
        [
            keras.Input((*shape, 1), name="image"),
            keras.layers.Rescaling(1 / 255, name="scale", dtype=policy),
            *body,
            keras.layers.Dense(classes, name="logits", dtype=policy),
            keras.layers.Activation("softmax", name="probabilities", dtype="float32"),
        ],
        name=recipe.architecture,
    )


def _small(recipe: Recipe, policy: Policy) -> list[Layer]:
    """Two pairs of 3×3 convolutions (K. Simonyan, A. Zisserman, arXiv:1409.1556) and a dense layer."""
    first, second, last = recipe.dropout_rates
    return [
        *(_convolution(f"conv_1{letter}", filters=32, size=3, policy=policy) for letter in "ab"),
        *_pool_and_drop("1", rate=first, policy=policy),
        *(_convolution(f"conv_2{letter}", filters=64, size=3, policy=policy) for letter in "ab"),
        *_pool_and_drop("2", rate=second, policy=policy),
        *_hidden(recipe.hidden_units, rate=last, policy=policy),
    ]


def _tutorial(recipe: Recipe, policy: Policy) -> list[Layer]:
    first, second, last = recipe.dropout_rates
    return [
        _convolution("conv_1", filters=64, size=2, policy=policy, initializer="glorot_uniform"),
        *_pool_and_drop("1", rate=first, policy=policy),
        _convolution("conv_2", filters=32, size=2, policy=policy, initializer="glorot_uniform"),
        *_pool_and_drop("2", rate=second, policy=policy),
        *_hidden(recipe.hidden_units, rate=last, policy=policy),
    ]


def _convolution(name: str, *, filters: int, size: int, policy: Policy, initializer: str = "he_normal") -> Layer:
    return keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        activation="relu",
        kernel_initializer=initializer,
        name=name,
        dtype=policy,
    )


def _pool_and_drop(number: str, *, rate: float, policy: Policy) -> list[Layer]:
    return [
        keras.layers.MaxPooling2D(2, padding="same", name=f"pool_{number}", dtype=policy),
        keras.layers.Dropout(rate, name=f"dropout_{number}", dtype=policy),
    ]


def _hidden(units: int, *, rate: float, policy: Policy) -> list[Layer]:
    return [
        keras.layers.Flatten(name="flatten", dtype=policy),
        keras.layers.Dense(units, activation="relu", name="hidden", dtype=policy),
        keras.layers.Dropout(rate, name="dropout_hidden", dtype=policy),
    ]
