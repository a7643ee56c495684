"""What is found in a model's file."""

import io
import json
import zipfile
from typing import Any

import h5py
import pytest

from fashion_api.inference.inspection import inspect, read_origin
from fashion_api.inference.keras_engine import import_tensorflow
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.inference.signature import DeclaredSignature
from tests.inference.hostile_models import make_h5

import_tensorflow()
import keras  # noqa: E402  # after TensorFlow has been silenced
from keras import layers  # noqa: E402  # the same

pytestmark = pytest.mark.tensorflow


def test_model_that_is_not_exported_is_served_by_keras() -> None:
    """Where the compiled form cannot be made, the reason is given, and the engine that serves it."""
    network = keras.Sequential(
        [keras.Input((4, 5)), layers.Flatten(), layers.Dense(3), layers.Activation("celu"), layers.Softmax()]
    )
    found = inspect(network, DeclaredSignature(), written_by="Keras")
    assert found.engine == "keras"
    assert "has the operator 'Expm1'" in found.reason


def test_version_is_read_from_either_format() -> None:
    """The version of Keras is that which the file names."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("metadata.json", json.dumps({"keras_version": "3.1.0", "date_saved": "today"}))
    assert read_origin(archive.getvalue()) == "Keras 3.1.0"

    def name_backend(file: h5py.File) -> None:
        file.attrs["backend"] = "tensorflow"

    assert read_origin(make_h5(name_backend)) == "Keras 2.15.0, with tensorflow"

    def name_nothing(file: h5py.File) -> None:
        del file.attrs["keras_version"]

    assert read_origin(make_h5(name_nothing)) == "an unknown version of Keras"


def build_open() -> Any:  # noqa: ANN401  # Keras ships no types
    inner = keras.Sequential([keras.Input((None, None, 4)), layers.SeparableConv2D(5, 3, use_bias=False)])
    image = keras.Input((None, None, 1))
    features = layers.GlobalMaxPooling2D()(inner(layers.Conv2D(4, 3)(image)))
    return keras.Model(image, layers.Dense(3)(features))


def test_open_sizes_and_models_in_it_are_counted() -> None:
    """Of a model in a model whose sizes are open, the multiplications for an image of a size are counted."""
    by_hand = 6 * 7 * 9 * 4 + 4 * 5 * (9 * 4 + 4 * 5) + 5 * 3
    assert count_multiply_adds(build_open(), (8, 9, 1)) == by_hand


def test_recurrent_layers_are_counted_at_each_step() -> None:
    """A cell multiplies its input and its state at each row of an image."""
    network = keras.Sequential([keras.Input((4, 5)), layers.SimpleRNN(3)])
    assert count_multiply_adds(network) == 4 * (5 * 3 + 3 * 3)
