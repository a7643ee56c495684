"""The reference engine: the Keras model itself, as a `tf.function` with a fixed signature.

It costs TensorFlow's start-up time and memory, and serves every model that Keras can load. `Model.predict` is not used:
it rebuilds its data pipeline at every call, and is not thread-safe.
"""

import importlib.util
import logging
import math
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.keras_migration import is_of_keras_2
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_process import Limits, run_in_child

INSTALL_TENSORFLOW = "pip install tensorflow tf2onnx matplotlib"
"""What installs all that training, compiling and the Keras engine need beside the service's own packages."""
MAX_NUMBERS_AN_IMAGE = 1 << 26
"""The most numbers that a layer may give for one image."""
WALK_LIMITS = Limits(time_s=60, processor_s=10, memory_bytes=2 << 30)
"""What the walk over a `.h5` may take; that over a model of 2 MB takes a tenth of a second."""
_MAX_REASON = 300  # characters of an error of Keras's, which may quote a whole configuration
_BOLD = re.compile(r"\x1b\[[01]m")
"""How Keras begins and ends bold type on a terminal."""
_NO_TENSORFLOW = f"TensorFlow, which training and FASHION_ENGINE=keras need, is not installed: {INSTALL_TENSORFLOW}"


class KerasClassifier:
    """A classifier that runs a Keras model on uint8[n, height, width] for any n.

    Raises:
        ModelError: its layers do not fit each other, or one gives more numbers for an image than
            `MAX_NUMBERS_AN_IMAGE`.
    """

    def __init__(self, model: Any, spec: InputSpec, *, temperature: float = 1.0) -> None:  # noqa: ANN401  # Keras ships no types
        tf = import_tensorflow()
        # It takes a sum of sums apart: with 60 that each add the one before to itself, until the process is killed.
        tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
        per_image = model.input_shape[1:]

        @tf.function(input_signature=[tf.TensorSpec((None, *spec.shape), tf.uint8)])  # type: ignore[untyped-decorator]  # theirs
        def infer(images: Any) -> Any:  # noqa: ANN401  # tensors
            pixels = spec.scale(tf.cast(images, tf.float32))
            outputs = model(tf.reshape(pixels, (-1, *per_image)), training=False)
            return divide_logits(split_outputs(outputs), temperature)

        try:
            graph = infer.get_concrete_function().graph
        except Exception as error:  # TensorFlow raises many kinds, for shapes that do not fit for example
            raise ModelError(f"Keras cannot compute it: {describe_error(error)}") from error
        _check_sizes(graph)
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


def load_keras_model(content: bytes, spec: InputSpec, *, said_by: str = "the settings") -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model from the bytes of its file, in Keras's safe mode and without its optimiser.

    The file is checked in a process of its own before Keras reads it, and its shapes are compared with its weights
    before Keras makes any.

    Args:
        content: a `.h5`, or a `.keras`.
        spec: the size of an image.
        said_by: what gives that size, for a message.

    Raises:
        ModelError: it is damaged or hostile, Keras cannot load it, or it takes images of another size.
    """
    if not has_tensorflow():
        raise ModelError(_NO_TENSORFLOW)
    run_in_child("fashion_api.inference.h5_walk", content, limits=WALK_LIMITS, task="reading it")
    return load_walked_model(content, lambda outline: _check_image_size(outline, spec, said_by))


def load_walked_model(content: bytes, check: Callable[[Any], object] | None = None) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model from a file that has passed the walk, as the version of Keras that wrote it would.

    Args:
        content: a `.h5`, or a `.keras`.
        check: is given the model without values, before any are made; raises a `ModelError` to refuse it.

    Raises:
        ModelError: Keras cannot load it; or as `check`.
    """
    import_tensorflow()
    import keras  # noqa: PLC0415  # seconds and hundreds of MB, only for this engine

    from fashion_api.inference.keras_file import migrate_file  # noqa: PLC0415  # imports h5py

    file = migrate_file(content)
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        path = Path(folder) / f"model{file.suffix}"  # Keras loads from a path only, and finds the format by the suffix
        path.write_bytes(file.content)
        try:
            if check is not None:
                # In a thread of its own, Keras forgets the variables without values.
                with ThreadPoolExecutor(1) as executor:
                    check(executor.submit(_load_outline, path).result())
            model = keras.models.load_model(path, compile=False, safe_mode=True)
        except ModelError:
            raise
        except Exception as error:  # Keras raises many kinds, for an unknown layer for example
            raise ModelError(f"Keras {keras.__version__} cannot load it: {describe_error(error)}") from error
    _replace_activations(model, has_old_hard_sigmoid=is_of_keras_2(file.version))
    return model


def has_tensorflow() -> bool:
    """Whether TensorFlow is installed."""
    return importlib.util.find_spec("tensorflow") is not None


def describe_error(error: Exception) -> str:
    """Give the reason of an error of Keras's or TensorFlow's in one line."""
    text = str(error).rpartition("Exception encountered: ")[2]  # before it, Keras quotes the configuration
    text = _BOLD.sub("", text)
    line = " ".join(f"{type(error).__name__}: {text}".split())
    return line if len(line) <= _MAX_REASON else f"{line[:_MAX_REASON]}…"


def _load_outline(path: Path) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model whose weights have a shape and no value; Keras compares their shapes with those in the file."""
    import keras  # noqa: PLC0415  # see load_keras_model

    with keras.StatelessScope(initialize_variables=False):
        return keras.models.load_model(path, compile=False, safe_mode=True)


def _replace_activations(model: Any, *, has_old_hard_sigmoid: bool) -> None:  # noqa: ANN401  # Keras ships no types
    """Let the layers of a model compute what the version that wrote it did, in a way that can be exported.

    The slope of `hard_sigmoid` was 0.2 in Keras 2, and is 1/6 since Keras 3. It was the default of recurrent layers in
    Keras 2.0-2.2 and TensorFlow 1. TensorFlow computes `gelu` by an operation that ONNX does not have.
    """
    import keras  # noqa: PLC0415  # see load_walked_model

    def hard_sigmoid(inputs: Any) -> Any:  # noqa: ANN401  # tensors
        return keras.ops.clip(0.2 * inputs + 0.5, 0.0, 1.0)

    def gelu(inputs: Any) -> Any:  # noqa: ANN401  # the same
        return 0.5 * inputs * (1.0 + keras.ops.erf(inputs * math.sqrt(0.5)))

    functions = {keras.activations.gelu: gelu}
    if has_old_hard_sigmoid:
        functions[keras.activations.hard_sigmoid] = hard_sigmoid
    for layer in model._flatten_layers():  # noqa: SLF001  # those within wrappers and cells too
        for name in {"activation", "recurrent_activation"} & vars(layer).keys():
            setattr(layer, name, functions.get(getattr(layer, name), getattr(layer, name)))


def _check_image_size(model: Any, spec: InputSpec, said_by: str) -> None:  # noqa: ANN401  # Keras ships no types
    height, width = input_shape(model)
    if (height, width) != spec.shape:
        raise ModelError(
            f"it takes images of {height}×{width} pixels, not of {spec.height}×{spec.width}: correct {said_by}"
        )


def _check_sizes(graph: Any) -> None:  # noqa: ANN401  # TensorFlow ships no types
    """Check how many numbers each operation of a graph gives for one image, before any is computed."""
    for operation in graph.get_operations():
        for output in operation.outputs:
            numbers = math.prod(size or 1 for size in output.shape) if output.shape.rank else 1
            if numbers > MAX_NUMBERS_AN_IMAGE:
                raise ModelError(
                    f"{operation.name:.100} gives {numbers} numbers for an image, over {MAX_NUMBERS_AN_IMAGE}"
                )


def input_shape(model: Any) -> tuple[int, int]:  # noqa: ANN401  # Keras ships no types
    """Give the height and width of a Keras model's input.

    Raises:
        ModelError: its input is no grey image of a fixed size, (height, width) or (height, width, 1).
    """
    shape = getattr(model, "input_shape", None)
    match shape:
        case (None, int(height), int(width)) | (None, int(height), int(width), 1):
            return height, width
        case _:
            raise ModelError(
                f"its input is {shape!s:.100}, not (None, height, width, 1) for grey images of a fixed size"
            )


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
    """Import TensorFlow without its notices on the terminal, and let Keras compute with it.

    Raises:
        ModelError: it is not installed, or Keras was imported before and computes with another library.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # over what the environment and ~/.keras/keras.json say; read at import
    keras = sys.modules.get("keras")
    if keras is not None and keras.config.backend() != "tensorflow":
        raise ModelError(f"Keras computes with {keras.config.backend()} in this process: set KERAS_BACKEND=tensorflow")
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
