"""Compiling, and the comparison of a compiled form with Keras."""

from typing import Any

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.compiler import build, compare, make_comparison_images
from fashion_api.inference.manifest import InputSpec
from tests.fakes import FakeClassifier


class ShiftedClassifier(FakeClassifier):
    """Differs slightly from the fake classifier."""

    def __init__(self, difference: float) -> None:
        self._difference = np.float32(difference)

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities + self._difference)


class MirroredClassifier(FakeClassifier):
    """Gives other classes, all nearly equally probable."""

    def classify(self, images: Images) -> Predictions:
        probabilities = super().classify(images).probabilities * np.float32(1e-6)
        return Predictions(probabilities[:, ::-1])


class FlatClassifier(FakeClassifier):
    """Gives all classes nearly equal probabilities."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities * np.float32(1e-6))


IMAGES = make_comparison_images(InputSpec(height=28, width=28))


def test_rounding_is_no_difference() -> None:
    """A difference of 1e-6 in a probability is accepted."""
    compare(ShiftedClassifier(1e-6), FakeClassifier(), IMAGES)


@pytest.mark.parametrize("difference", [3e-5, float("nan")], ids=["3e-5", "NaN"])
def test_difference_in_a_probability_refuses_the_form(difference: float) -> None:
    """A difference of more than 1e-5, or NaN, refuses the compiled form."""
    with pytest.raises(ModelError, match="differs from Keras"):
        compare(ShiftedClassifier(difference), FakeClassifier(), IMAGES)


def test_difference_in_a_class_refuses_the_form() -> None:
    """A different class refuses the compiled form, however near the probabilities are."""
    with pytest.raises(ModelError, match="different classes"):
        compare(MirroredClassifier(), FlatClassifier(), IMAGES)


@pytest.mark.tensorflow
@pytest.mark.parametrize("layer", ["GRU", "SimpleRNN", "LSTM"])
def test_recurrent_layer_is_compiled(layer: str) -> None:
    """A model that reads an image row by row is compiled, though its form has a loop."""
    assert build(
        encode(Rescaling=[1 / 255], Reshape=[(4, 5)], **{layer: [3]}), InputSpec(height=4, width=5)
    ).startswith(b"\x08")


@pytest.mark.tensorflow
def test_normalization_of_the_pixels_is_compiled() -> None:
    """A model whose first layer normalises its only channel is compiled."""
    assert build(encode(BatchNormalization=[], Conv2D=[2, 3]), InputSpec(height=4, width=5)).startswith(b"\x08")


@pytest.mark.tensorflow
def test_layer_that_is_not_compiled_is_offered_to_keras() -> None:
    """Where Keras exports a layer to what cannot be run, the message says why, and that Keras's engine serves it."""
    with pytest.raises(ModelError, match=r"has the operator 'Expm1'.*; FASHION_ENGINE=keras serves it as it is"):
        build(encode(Activation=["celu"]), InputSpec(height=4, width=5))


def encode(**layers: list[Any]) -> bytes:
    """The `.h5` of a model of images of 4×5 with these layers of Keras, by name, each with its arguments."""
    from fashion_api.training.network.backend import keras  # noqa: PLC0415  # TensorFlow
    from fashion_api.training.network.h5 import encode_h5  # noqa: PLC0415  # the same

    keras.utils.set_random_seed(0)
    own = [getattr(keras.layers, name)(*arguments) for name, arguments in layers.items()]
    last = [keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax")]
    return encode_h5(keras.Sequential([keras.Input((4, 5, 1)), *own, *last]))
