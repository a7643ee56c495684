"""The architectures: Keras networks from images to class probabilities, in standard layers that need no code of ours.

The residual network has a second output, the novelty: -log P(the image is of an article), from 0 up.
"""

from fashion_api.training.network.backend import Layer, Model, Policy, keras
from fashion_api.training.recipes import Recipe

_MOST_PLACES = 8  # to a side, before the dense layer


def build_model(recipe: Recipe, *, shape: tuple[int, ...], classes: int, precision: str) -> Model:
    """Build the recipe's network for float32[n, height, width, channels] in 0–255, with fresh weights.

    Every height and width is possible, as pooling rounds up.

    Args:
        recipe: the architecture, its dropout rates and hidden units.
        shape: height and width of an image, and 3 for one in colour.
        classes: the number of classes, from two up.
        precision: of the computation, `float32` or `mixed_bfloat16`; weights and outputs are float32 in both.

    Returns:
        A Keras model, not compiled, with fixed layer names, so that equal runs write equal files. Its outputs are
        `probabilities` and, if the recipe has outliers, `novelty`.
    """
    policy = keras.DTypePolicy(precision)
    if recipe.architecture == "residual":
        return _residual(recipe, shape=shape, classes=classes, policy=policy)
    body = _small(recipe, shape, policy) if recipe.architecture == "small" else _tutorial(recipe, policy)
    return keras.Sequential(
        [
            _take_image(shape),
            keras.layers.Rescaling(1 / 255, name="scale", dtype=policy),
            *body,
            keras.layers.Dense(classes, name="logits", dtype=policy),
            keras.layers.Activation("softmax", name="probabilities", dtype="float32"),
        ],
        name=recipe.architecture,
    )


def _take_image(shape: tuple[int, ...]) -> Layer:
    height, width, *channels = shape
    return keras.Input((height, width, *(channels or [1])), name="image")


def _pool_places(shape: tuple[int, ...], *, halvings: int, policy: Policy) -> list[Layer]:
    """Average the places that a larger image has, so that the dense layer after them does not grow with it.

    Those of images of up to 32×32 pixels, which are halved twice, are left as they are.
    """
    sides = [-(-size // 2**halvings) for size in shape[:2]]
    pool = [-(-side // _MOST_PLACES) for side in sides]
    if max(pool) == 1:
        return []
    return [keras.layers.AveragePooling2D(pool, padding="same", name="places", dtype=policy)]


def _small(recipe: Recipe, shape: tuple[int, ...], policy: Policy) -> list[Layer]:
    """Two pairs of 3×3 convolutions (K. Simonyan, A. Zisserman, arXiv:1409.1556) and a dense layer."""
    first, second, last = recipe.dropout_rates
    return [
        *(_convolution(f"conv_1{letter}", filters=32, size=3, policy=policy) for letter in "ab"),
        *_pool_and_drop("1", rate=first, policy=policy),
        *(_convolution(f"conv_2{letter}", filters=64, size=3, policy=policy) for letter in "ab"),
        *_pool_and_drop("2", rate=second, policy=policy),
        *_pool_places(shape, halvings=2, policy=policy),
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


def _residual(recipe: Recipe, *, shape: tuple[int, ...], classes: int, policy: Policy) -> Model:
    """Build a residual network (K. He et al., arXiv:1512.03385).

    Shortcuts across a halving use average pooling (ResNet-D: T. He et al., arXiv:1812.01187), and each block's last
    normalisation starts at 0 (P. Goyal et al., arXiv:1706.02677).
    """
    if recipe.residual is None:
        raise ValueError("a residual network needs its size")
    network = recipe.residual
    image = _take_image(shape)
    x = keras.layers.Rescaling(1 / 255, name="scale", dtype=policy)(image)
    x = _normalised_convolution(x, "stem", filters=network.widths[0], size=network.stem_size, pool=2, policy=policy)
    for stage, (width, blocks) in enumerate(zip(network.widths, network.blocks, strict=True)):
        for block in range(blocks):
            strides = 2 if stage and not block else 1
            x = _residual_block(x, f"block_{stage + 1}_{block + 1}", filters=width, strides=strides, policy=policy)
    for layer in _pool_places(shape, halvings=len(network.widths), policy=policy):
        x = layer(x)
    features = _features(x, recipe.hidden_units, policy)
    logits = keras.layers.Dense(classes, name="logits", dtype=policy)(features)
    outputs = [keras.layers.Activation("softmax", name="probabilities", dtype="float32")(logits)]
    if recipe.outlier_share:
        novelty_logit = keras.layers.Dense(1, name="novelty_logit", dtype=policy)(features)
        outputs.append(keras.layers.Activation("softplus", name="novelty", dtype="float32")(novelty_logit))
    return keras.Model(image, outputs, name="residual")


def _features(x: Layer, units: int, policy: Policy) -> Layer:
    """Add the dense layer that the outputs are computed from, with weights for each place, as articles are aligned."""
    x = keras.layers.Flatten(name="flatten", dtype=policy)(x)
    x = keras.layers.Dense(units, use_bias=False, kernel_initializer="he_normal", name="hidden", dtype=policy)(x)
    x = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="hidden_norm", dtype=policy)(x)
    return keras.layers.ReLU(name="features", dtype=policy)(x)


def _residual_block(x: Layer, name: str, *, filters: int, strides: int, policy: Policy) -> Layer:
    y = _normalised_convolution(x, f"{name}a", filters=filters, size=3, strides=strides, policy=policy)
    y = _normalised_convolution(y, f"{name}b", filters=filters, size=3, policy=policy, gamma="zeros", is_last=True)
    if strides > 1:
        x = keras.layers.AveragePooling2D(strides, padding="same", name=f"{name}_pool", dtype=policy)(x)
    if x.shape[-1] != filters:
        x = _normalised_convolution(x, f"{name}_shortcut", filters=filters, size=1, policy=policy, is_last=True)
    sum_ = keras.layers.Add(name=f"{name}_sum", dtype=policy)([x, y])
    return keras.layers.ReLU(name=f"{name}_relu", dtype=policy)(sum_)


def _normalised_convolution(  # noqa: PLR0913  # a convolution has as many
    x: Layer,
    name: str,
    *,
    filters: int,
    size: int,
    policy: Policy,
    strides: int = 1,
    pool: int = 1,
    gamma: str = "ones",
    is_last: bool = False,
) -> Layer:
    x = keras.layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
        dtype=policy,
    )(x)
    if pool > 1:  # unlike strides, it keeps features that are at one place only
        x = keras.layers.MaxPooling2D(pool, padding="same", name=f"{name}_pool", dtype=policy)(x)
    x = keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=f"{name}_norm", dtype=policy
    )(x)
    return x if is_last else keras.layers.ReLU(name=f"{name}_relu", dtype=policy)(x)
