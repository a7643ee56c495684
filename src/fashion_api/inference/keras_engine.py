"""The reference engine: the Keras model itself, as a `tf.function` with a fixed signature.

It costs TensorFlow's start-up time and memory, and serves every model that Keras can load. `Model.predict` is not used:
it rebuilds its data pipeline at every call, and is not thread-safe.
"""

import importlib.util
import io
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec

_NO_TENSORFLOW = "TensorFlow is not installed, and this engine needs it: pip install 'fashion-api[train]'"


class KerasClassifier:
    """A classifier that runs a Keras model on uint8[n, height, width] for any n."""

    def __init__(self, model: Any, spec: InputSpec, *, temperature: float = 1.0) -> None:  # noqa: ANN401  # Keras ships no types
        tf = import_tensorflow()
        per_image = model.input_shape[1:]

        @tf.function(input_signature=[tf.TensorSpec((None, *spec.shape), tf.uint8)])  # type: ignore[untyped-decorator]
        def infer(images: Any) -> Any:  # noqa: ANN401  # tensors
            pixels = spec.scale(tf.cast(images, tf.float32))
            outputs = model(tf.reshape(pixels, (-1, *per_image)), training=False)
            return divide_logits(split_outputs(outputs), temperature)

        self._infer = infer

    def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width], n at least 1."""
        probabilities, *others = (output.numpy().astype(np.float32, copy=False) for output in self._infer(images))
        return Predictions(probabilities, others[0][:, 0] if others else None)


def split_outputs(outputs: Any) -> list[Any]:  # noqa: ANN401  # tensors
    """Give the outputs of a model as a list: the probabilities and, from a model with two outputs, the novelty."""
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def divide_logits(outputs: list[Any], temperature: float) -> list[Any]:
    """Apply a temperature to the probabilities: softmax(log(p) / T), as if the logits had been divided by T.

    It needs no access to the logits, so it works for every model that ends in a softmax.
    """
    if temperature == 1.0:
        return outputs
    import keras  # noqa: PLC0415  # see load_keras_model

    probabilities, *others = outputs
    logits = keras.ops.log(keras.ops.maximum(probabilities, LEAST_PROBABILITY)) / temperature
    return [keras.ops.softmax(logits, axis=-1), *others]


def load_keras_model(content: bytes, spec: InputSpec) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model from the bytes of its `.h5`, in Keras's safe mode and without its optimiser.

    Raises:
        ModelError: it is damaged, Keras cannot load it, or it takes images of another size.
    """
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelError(_NO_TENSORFLOW)
    _check_h5(content)
    import_tensorflow()
    import keras  # noqa: PLC0415  # seconds and hundreds of MB, only for this engine

    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        path = Path(folder) / "model.h5"  # Keras loads from a path only, and finds the format by the suffix
        path.write_bytes(content)
        try:
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # Keras raises many kinds, for an unknown layer for example
            raise ModelError(f"Keras {keras.__version__} cannot load this model ({type(error).__name__})") from error
    height, width = input_shape(model)
    if (height, width) != spec.shape:
        raise ModelError(
            f"the model takes images of {height}×{width} pixels, but {spec.height}×{spec.width} are set: correct the "
            "manifest, or FASHION_IMAGE_HEIGHT and FASHION_IMAGE_WIDTH"
        )
    return model


def _check_h5(content: bytes) -> None:
    """Refuse a file that holds no Keras model, before TensorFlow is imported for it."""
    import h5py  # noqa: PLC0415  # a tenth of a second, saved with a compiled model

    try:
        with h5py.File(io.BytesIO(content)) as file:
            has_architecture = "model_config" in file.attrs
    except (OSError, RuntimeError, KeyError):
        raise ModelError(f"the model is damaged or cut short ({len(content)} bytes)") from None
    if not has_architecture:
        raise ModelError("the file holds no Keras model: save it with model.save(), not model.save_weights()")


def input_shape(model: Any) -> tuple[int, int]:  # noqa: ANN401  # Keras ships no types
    """Give the height and width of a Keras model's input.

    Raises:
        ModelError: its input is no grey image of a fixed size, (height, width) or (height, width, 1).
    """
    shape = model.input_shape
    match shape:
        case (None, int(height), int(width)) | (None, int(height), int(width), 1):
            return height, width
        case _:
            raise ModelError(f"the model's input is {shape}, not (None, height, width, 1)")


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Discard what is written to standard error's file descriptor.

    TensorFlow's C++ part writes notices while it is imported, before any setting takes effect.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def import_tensorflow() -> ModuleType:
    """Import TensorFlow without its notices on the terminal.

    Raises:
        ModelError: it is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # C++ reads it once, at import
    try:
        with _silent_stderr():
            import tensorflow as tf  # noqa: PLC0415  # see load_keras_model
    except ModuleNotFoundError as error:
        raise ModelError(_NO_TENSORFLOW) from error
    for name in ("absl", "tensorflow"):  # after the import, which resets them
        logging.getLogger(name).setLevel(logging.ERROR)
    module: ModuleType = tf
    return module
