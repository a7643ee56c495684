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
import numpy.typing as npt

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.interpretation import find_shape, interpret
from fashion_api.inference.keras_migration import is_of_keras_2
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_process import Limits, run_in_child
from fashion_api.inference.signature import DeclaredSignature, Layout, Signature

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
    """A classifier that runs a Keras model on uint8[n, height, width] or uint8[n, height, width, 3] for any n.

    Args:
        model: the Keras model.
        declared: what is known of its input and outputs; an `InputSpec` declares the whole of an input.
        temperature: what the logits are divided by.

    Raises:
        ModelError: it is no classifier of images, contradicts what is declared, its layers do not fit each other, or
            one gives more numbers for an image than `MAX_NUMBERS_AN_IMAGE`.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # Keras ships no types
        declared: DeclaredSignature | InputSpec,
        *,
        temperature: float = 1.0,
    ) -> None:
        if isinstance(declared, InputSpec):
            declared = DeclaredSignature.of_input(declared)
        _prepare(model)
        self.signature = interpret(model, declared, lambda spec, layout: _probe(model, spec, layout))
        """What the model takes and gives."""

        def infer(images: Any) -> list[Any]:  # noqa: ANN401  # tensors
            outputs = call_network(model, images, self.signature.input, self.signature.layout)
            return finish_outputs(outputs, self.signature, temperature)

        self._infer = _trace(infer, self.signature.input)

    def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width] or uint8[n, height, width, 3], n at least 1."""
        probabilities, *others = (output.numpy() for output in self._infer(images))
        return Predictions(probabilities, others[0][:, 0] if others else None)


def call_network(network: Any, images: Any, spec: InputSpec, layout: Layout) -> list[Any]:  # noqa: ANN401  # tensors
    """Give images, as they cross the service's borders, to a network: cast, laid out and scaled; give its outputs.

    Layers that augment images, or leave some numbers out, do nothing.
    """
    import keras  # noqa: PLC0415  # see load_keras_model

    ops, wanted = keras.ops, network.inputs[0]
    pixels, shape = ops.cast(images, "float32"), find_shape(spec, layout, wanted.shape[1:])
    if layout == "channels-first" and spec.channels > 1:
        pixels = ops.transpose(pixels, (0, 3, 1, 2))
    elif shape != spec.shape:
        pixels = ops.reshape(pixels, (-1, *shape))
    if spec.pixel_range != (0.0, 255.0):
        pixels = spec.scale(pixels)
    outputs: list[Any] = keras.tree.flatten(network(ops.cast(pixels, wanted.dtype), training=False))
    return outputs


def finish_outputs(outputs: list[Any], signature: Signature, temperature: float) -> list[Any]:
    """Make probabilities of the first output of a network, by the temperature, and leave the novelty as it is.

    Where it gives probabilities, softmax(log(p) / T) is the same as if the logits had been divided by T.
    """
    import keras  # noqa: PLC0415  # see load_keras_model

    ops = keras.ops
    first, *others = (ops.cast(output, "float32") for output in outputs)
    if len(first.shape) > 2:  # noqa: PLR2004  # (1, 1, classes), for example
        first = ops.reshape(first, (-1, signature.outputs))
    is_logarithm = signature.output in ("logits", "log-probabilities")
    if signature.outputs == 1:
        first = ops.concatenate([ops.zeros_like(first) if is_logarithm else 1.0 - first, first], axis=-1)
    if not is_logarithm:
        if temperature == 1.0:
            return [first, *others]
        first = ops.log(ops.maximum(first, LEAST_PROBABILITY))
    logits = first if temperature == 1.0 else first / temperature
    return [ops.softmax(logits, axis=-1), *others]


def _probe(network: Any, spec: InputSpec, layout: Layout) -> npt.NDArray[np.float32]:  # noqa: ANN401  # Keras ships no types
    """Compute the first output for a black, a white and two noise images."""
    infer = _trace(lambda images: call_network(network, images, spec, layout)[:1], spec)
    images = np.random.default_rng(0).integers(0, 256, (4, *spec.shape), np.uint8)
    images[0], images[1] = 0, 255
    found: npt.NDArray[np.float32] = infer(images)[0].numpy().astype(np.float32)
    return found


def _trace(infer: Callable[[Any], list[Any]], spec: InputSpec) -> Callable[[Any], list[Any]]:
    """Make a function of images one that TensorFlow computes, once it is known how much it computes."""
    tf = import_tensorflow()
    # It takes a sum of sums apart: with 60 that each add the one before to itself, until the process is killed.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    function = tf.function(infer, input_signature=[tf.TensorSpec((None, *spec.shape), tf.uint8)], autograph=False)
    try:
        graph = function.get_concrete_function().graph
    except Exception as error:  # TensorFlow raises many kinds, for shapes that do not fit for example
        raise ModelError(f"Keras cannot compute it: {describe_error(error)}") from error
    _check_sizes(graph)
    traced: Callable[[Any], list[Any]] = function
    return traced


def _prepare(network: Any) -> None:  # noqa: ANN401  # Keras ships no types
    """Let layers compute in the whole precision of their weights."""
    for layer in network._flatten_layers():  # noqa: SLF001  # no public way leads to the cells of recurrent layers
        if layer.compute_dtype != layer.variable_dtype:  # mixed precision, which is for training
            layer.dtype_policy = layer.variable_dtype


def load_keras_model(content: bytes) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model from the bytes of its file, in Keras's safe mode and without its optimiser.

    The file is checked in a process of its own before Keras reads it, and its shapes are compared with its weights
    before Keras makes any.

    Args:
        content: a `.h5`, or a `.keras`.

    Raises:
        ModelError: it is damaged or hostile, or Keras cannot load it.
    """
    if not has_tensorflow():
        raise ModelError(_NO_TENSORFLOW)
    run_in_child("fashion_api.inference.h5_walk", content, limits=WALK_LIMITS, task="reading it")
    return load_walked_model(content)


def load_walked_model(content: bytes) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model from a file that has passed the walk, as the version of Keras that wrote it would.

    Args:
        content: a `.h5`, or a `.keras`.

    Raises:
        ModelError: Keras cannot load it.
    """
    import_tensorflow()
    import keras  # noqa: PLC0415  # seconds and hundreds of MB, only for this engine

    from fashion_api.inference.keras_file import migrate_file  # noqa: PLC0415  # imports h5py

    file = migrate_file(content)
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        path = Path(folder) / f"model{file.suffix}"  # Keras loads from a path only, and finds the format by the suffix
        path.write_bytes(file.content)
        try:
            # In a thread of its own, Keras forgets the variables without values.
            with ThreadPoolExecutor(1) as executor:
                executor.submit(_load_outline, path).result()
            model = _load(path)
        except Exception as error:  # Keras raises many kinds, for an unknown layer for example
            raise ModelError(f"Keras {keras.__version__} cannot load it: {describe_error(error)}") from error
    if not getattr(model, "inputs", None):
        raise ModelError("it has no input, as it was saved before it was built: begin it with a keras.Input(…)")
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
        return _load(path)


def _load(path: Path) -> Any:  # noqa: ANN401  # Keras ships no types
    """Load a model; once more where Keras has taken one of its layers for another.

    Keras 3 tells the layers of a `.keras` from one another by their address. A `Bidirectional` makes a layer and lets
    it go; in one of a hundred trials the next one's had the same address, and ran in the wrong direction.
    """
    import keras  # noqa: PLC0415  # see load_keras_model

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except ValueError as error:
        if "go_backwards" not in str(error):
            raise
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


def _check_sizes(graph: Any) -> None:  # noqa: ANN401  # TensorFlow ships no types
    """Check how many numbers each operation of a graph gives for one image, before any is computed."""
    for operation in graph.get_operations():
        for output in operation.outputs:
            numbers = math.prod(size or 1 for size in output.shape) if output.shape.rank else 1
            if numbers > MAX_NUMBERS_AN_IMAGE:
                raise ModelError(
                    f"{operation.name:.100} gives {numbers} numbers for an image, over {MAX_NUMBERS_AN_IMAGE}"
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
