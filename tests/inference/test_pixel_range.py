"""The range of the pixels that a model was made for, as its first layers tell."""

from typing import Any

import numpy as np
import pytest

from fashion_api.inference.keras_engine import import_tensorflow
from fashion_api.inference.pixel_range import find_pixel_range

import_tensorflow()
import keras  # noqa: E402  # after TensorFlow has been silenced
from keras import layers  # noqa: E402  # the same

pytestmark = pytest.mark.tensorflow

PIXELS = np.random.default_rng(0).beta(0.3, 0.6, (50, 4, 5, 1))
"""As those of Fashion-MNIST: many black ones, mean 0.33."""


def normalise(pixels: Any, **options: Any) -> Any:  # noqa: ANN401  # Keras ships no types
    """A normalisation that was fitted to these pixels."""
    layer = layers.Normalization(**options)
    layer.adapt(pixels)
    return layer


def average(mean: float, variance: float) -> Any:  # noqa: ANN401  # the same
    """A batch normalisation with these running means."""
    layer = layers.BatchNormalization()
    layer.build((None, 4, 5, 1))
    layer.moving_mean.assign([mean])
    layer.moving_variance.assign([variance])
    return layer


def nest(*inner: Any) -> Any:  # noqa: ANN401  # the same
    """A model of augmentation and scaling, as tutorials put before their network."""
    return keras.Sequential([layers.RandomFlip(), layers.RandomRotation(0.1), *inner])


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (lambda: [layers.Rescaling(1 / 255)], (0, 255)),
        (lambda: [layers.Rescaling(1 / 127.5, offset=-1)], (0, 255)),
        (lambda: [layers.Rescaling(1 / 255, offset=-0.5)], (0, 255)),
        (lambda: [layers.Rescaling(1.0, offset=-120.0)], (0, 255)),
        (lambda: [layers.Rescaling(2.0, offset=-1.0)], (0, 1)),
        (lambda: [layers.Rescaling(0.5, offset=0.5)], (-1, 1)),
        (lambda: [layers.Rescaling(255.0), layers.Rescaling(1 / 255)], (0, 1)),
        (lambda: [layers.Rescaling(-1 / 255, offset=1.0)], (0, 255)),
        (lambda: [layers.Rescaling(1 / 58.4, offset=-123.7 / 58.4)], (0, 255)),
        (lambda: [layers.Rescaling(1 / 0.229, offset=-0.485 / 0.229)], (0, 1)),
        (lambda: [nest(layers.Rescaling(1 / 255))], (0, 255)),
        (lambda: [layers.Normalization(), layers.MaxPooling2D(), layers.Rescaling(1 / 255)], (0, 255)),
        (lambda: [layers.Flatten(), layers.Embedding(256, 2)], (0, 255)),
        (
            lambda: [layers.Resizing(8, 8), layers.Rescaling(1 / 255), layers.Normalization(mean=0.3, variance=0.1)],
            (0, 255),
        ),
        (lambda: [normalise(PIXELS * 255)], (0, 255)),
        (lambda: [normalise(PIXELS)], (0, 1)),
        (lambda: [normalise(PIXELS * 2 - 1)], (-1, 1)),
        (lambda: [normalise(PIXELS * 255, axis=(1, 2, 3))], (0, 255)),
        (lambda: [layers.Normalization(mean=0.1307, variance=0.3081**2)], (0, 1)),
        (lambda: [average(73.0, 8000.0)], (0, 255)),
        (lambda: [average(0.29, 0.12)], (0, 1)),
        (lambda: [average(-0.43, 0.5)], (-1, 1)),
    ],
    ids=[
        *("to 0–1", "to −1–1", "to ±½", "mean subtracted", "from 0–1", "from −1–1", "twice"),
        *("inverted", "standardised", "standardised from 0–1", "in a model", "behind a pooling", "vectors"),
        *("before constants", "fitted to 0–255", "fitted to 0–1", "fitted to −1–1", "fitted to each pixel", "MNIST's"),
        *("averages of 0–255", "averages of 0–1", "averages of −1–1"),
    ],
)
def test_first_layers_tell(first: Any, expected: tuple[float, float]) -> None:  # noqa: ANN401  # the same
    """The range is that which the first layers scale, or were fitted to."""
    found = find_pixel_range(keras.Sequential([keras.Input((4, 5, 1)), *first(), layers.Flatten()]))
    assert found is not None
    assert found[0] == expected


def test_input_of_whole_numbers_takes_pixels_as_they_are() -> None:
    """A network of whole numbers takes 0–255."""
    found = find_pixel_range(keras.Sequential([keras.Input((4, 5, 1), dtype="uint8"), layers.Flatten()]))
    assert found == ((0, 255), "its input is of whole numbers")


@pytest.mark.parametrize(
    "first",
    [
        lambda: [layers.Conv2D(3, 3)],
        lambda: [layers.Conv2D(3, 3), layers.Rescaling(1 / 255)],
        lambda: [layers.Normalization()],
        lambda: [layers.BatchNormalization()],
        lambda: [average(0.1, 0.6)],
        lambda: [average(-0.01, 0.99)],
        lambda: [layers.Rescaling(1 / 16)],
        lambda: [layers.Rescaling(1.0)],
        lambda: [layers.Normalization(mean=120.0, variance=5e3, invert=True), layers.Rescaling(1 / 255)],
    ],
    ids=[
        *("nothing", "behind a layer", "not fitted", "not trained", "hardly trained", "standardised before"),
        *("from something else", "by one", "inverted normalisation"),
    ],
)
def test_where_nothing_tells_there_is_none(first: Any) -> None:  # noqa: ANN401  # the same
    """A range that nothing tells plainly is not guessed."""
    assert find_pixel_range(keras.Sequential([keras.Input((4, 5, 1)), *first(), layers.Flatten()])) is None
