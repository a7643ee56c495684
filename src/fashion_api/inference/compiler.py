"""The compiler of a Keras model to an ONNX graph, which is compared with Keras."""

import functools
import logging
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_api.errors import DamagedModelError, ModelError
from fashion_api.images import Images
from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.keras_engine import (
    KerasClassifier,
    call_network,
    describe_error,
    finish_outputs,
    import_tensorflow,
    load_keras_model,
)
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_process import Limits, begin_step, run_as_child, run_in_child
from fashion_api.inference.onnx_graph import check_graph
from fashion_api.inference.pixel_range import list_layers
from fashion_api.inference.signature import SIGNATURE, DeclaredSignature, Signature

logger = logging.getLogger(__name__)

COMPILER_VERSION = 5
"""To be raised with every change of what is built, so that cached files of older versions are not used."""
MAX_DIFFERENCE = 1e-5
"""The largest accepted difference between a probability of the compiled form and Keras's."""
LIMITS = Limits(time_s=600, processor_s=600, memory_bytes=4 << 30, memory_factor=12)
"""What compiling may take. TensorFlow alone takes less than 1 GiB; it and the export copy the weights several times."""
_PLAIN_SPREAD = 10
"""How far the logits of an image may be apart before more is accepted."""
_COMPARED_IMAGES = 256
_COMPARED_AT_ONCE = 16
_COMPARED_NUMBERS = 1 << 24
"""The most numbers in the images that are compared; of large images, there are fewer."""


def compile_in_child(
    content: bytes, declared: DeclaredSignature, *, temperature: float, limits: Limits = LIMITS
) -> bytes:
    """Build in a child process, so that the service never imports TensorFlow; see `build`.

    Raises:
        ModelError: as in `build`, or it took too much time or memory.
    """
    arguments = (declared.model_dump_json(), repr(temperature))
    return run_in_child(__name__, content, *arguments, limits=limits, task="compiling it")


def _build_as_child(content: bytes, arguments: Sequence[str]) -> bytes:
    declared, temperature = arguments
    return build(
        content, DeclaredSignature.model_validate_json(declared), temperature=float(temperature), tell=begin_step
    )


def build(
    content: bytes,
    declared: DeclaredSignature | InputSpec,
    *,
    temperature: float = 1.0,
    tell: Callable[[str], None] = logger.debug,
) -> bytes:
    """Export a `.h5` to ONNX, with all that makes probabilities of pixels in the graph, and compare it with Keras.

    The graph takes uint8[n, height, width] or uint8[n, height, width, 3], and gives float32[n, classes] and, for a
    model with a novelty output, float32[n, 1]. It carries its signature, for `OnnxClassifier`.

    Args:
        content: the `.h5`.
        declared: what is known of its input and outputs; an `InputSpec` declares the whole of an input.
        temperature: what the logits are divided by.
        tell: is told each step.

    Raises:
        ModelError: it is hostile, contradicts what is declared, Keras cannot load or export it, or the two differ.
    """
    tell("importing TensorFlow, and reading the model")
    network = load_keras_model(content)
    return export(network, KerasClassifier(network, declared, temperature=temperature), temperature, tell=tell)


def export(
    network: Any,  # noqa: ANN401  # Keras ships no types
    reference: KerasClassifier,
    temperature: float,
    *,
    tell: Callable[[str], None] = logger.debug,
) -> bytes:
    """Export a network that has its reference, and compare the two; see `build`."""
    images = make_comparison_images(reference.signature.input)
    try:
        tell("exporting it to ONNX")
        compiled = _export(network, reference.signature, temperature)
        tell(f"comparing the compiled form with Keras on {len(images)} images")
        _compare_compiled(compiled, reference, images)
    except ModelError as error:
        raise ModelError(f"{error}; {_try_keras(reference, images)}") from error
    return compiled


def _compare_compiled(compiled: bytes, reference: Classifier, images: Images) -> None:
    from fashion_api.inference.onnx_engine import OnnxClassifier  # noqa: PLC0415  # only the child needs it

    try:
        compare(OnnxClassifier(compiled, threads=1), reference, images)
    except ModelError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise ModelError(f"its compiled form cannot be run: {describe_error(error)}") from error


def _try_keras(reference: Classifier, images: Images) -> str:
    """Say whether Keras's engine, which was asked for a few images, serves what the compiled form does not."""
    try:
        is_served = bool(np.isfinite(reference.classify(images[:_COMPARED_AT_ONCE]).probabilities).all())
    except Exception as error:  # noqa: BLE001  # TensorFlow raises many kinds
        return f"nor can Keras compute it: {describe_error(error)}"
    return "FASHION_ENGINE=keras serves it as it is" if is_served else "nor does Keras give finite numbers"


def _export(network: Any, signature: Signature, temperature: float) -> bytes:  # noqa: ANN401  # Keras ships no types
    import keras  # noqa: PLC0415  # see load_keras_model

    from fashion_api.inference.graph_folding import fold, set_property  # noqa: PLC0415  # imports onnx

    _make_exportable(network)
    spec = signature.input
    images = keras.Input(spec.shape, dtype="uint8", name="images")
    outputs = call_network(network, images, spec, signature.layout)
    whole = keras.Model(images, finish_outputs(outputs, signature, temperature))
    taken = [keras.InputSpec(dtype="uint8", shape=(None, *spec.shape), name="images")]
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, on NumPy's names
        path = Path(folder) / "model.onnx"
        try:
            whole.export(path, format="onnx", verbose=False, input_signature=taken)
        except Exception as error:  # the exporter raises various kinds for layers that it does not support
            raise ModelError(f"Keras cannot export it to ONNX: {describe_error(error)}") from error
        compiled = set_property(fold(path.read_bytes()), SIGNATURE, signature.model_dump_json())
    try:
        check_graph(compiled)
    except DamagedModelError as error:
        raise ModelError(f"Keras exports it to ONNX in a way that is not served: {error}") from error
    return compiled


def _make_exportable(network: Any) -> None:  # noqa: ANN401  # Keras ships no types
    """Give layers the forms that the exporter knows: numbers in normalisations, plain convolutions for grouped ones."""
    for layer in list_layers(network):
        if type(layer).__name__ == "Normalization":
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
        elif type(layer).__name__ == "Conv2D" and layer.groups > 1:
            layer.convolution_op = functools.partial(_convolve, layer)


def _convolve(layer: Any, images: Any, kernel: Any) -> Any:  # noqa: ANN401  # a layer, and tensors
    return import_tensorflow().nn.convolution(
        images,
        kernel,
        strides=layer.strides,
        padding=layer.padding.upper(),
        data_format="NCHW" if layer.data_format == "channels_first" else "NHWC",
        dilations=layer.dilation_rate,
    )


def make_comparison_images(spec: InputSpec) -> Images:
    """Make the fixed images that engines are compared on: black, white, and noise of various brightness."""
    rng = np.random.default_rng(0)
    count = max(_COMPARED_AT_ONCE, min(_COMPARED_IMAGES, _COMPARED_NUMBERS // math.prod(spec.shape)))
    images = rng.integers(0, 256, (count, *spec.shape)) * rng.random((count, *[1] * len(spec.shape))) ** 2
    images[0], images[1] = 0, 255
    return images.astype(np.uint8)


def compare(compiled: Classifier, reference: Classifier, images: Images) -> None:
    """Check that two engines agree on some images.

    Raises:
        ModelError: a probability differs by more than `MAX_DIFFERENCE`, or by more than that in proportion where the
            logits of an image are further apart than usual; the novelty differs by more than a hundredth of a percent;
            or an image gets another class.
    """
    ours, theirs = _classify_in_parts(compiled, images), _classify_in_parts(reference, images)
    differences = np.abs(ours.probabilities - theirs.probabilities).max(axis=1)
    accepted = MAX_DIFFERENCE * np.maximum(1, _measure_spread(theirs) / _PLAIN_SPREAD)
    if not (differences <= accepted).all():  # NaN is never less
        worst = float(differences.max())
        raise ModelError(f"its compiled form differs from Keras by {worst:.1e}, more than {MAX_DIFFERENCE:.0e}")
    if not _novelty_agrees(ours, theirs):
        raise ModelError("its compiled form and Keras differ in the novelty of an image")
    if (ours.class_ids != theirs.class_ids).any():
        raise ModelError("its compiled form and Keras see different classes in an image")


def _measure_spread(predictions: Predictions) -> npt.NDArray[np.float32]:
    """Give how far the logits of each image are apart, to which their rounding errors are in proportion."""
    logits = np.log(np.maximum(predictions.probabilities, LEAST_PROBABILITY))
    spread: npt.NDArray[np.float32] = logits.max(axis=1) - logits.min(axis=1)
    return spread


def _classify_in_parts(classifier: Classifier, images: Images) -> Predictions:
    """Classify a few images at a time, as the layers of a large model take much memory for each."""
    starts = range(0, len(images), _COMPARED_AT_ONCE)
    return Predictions.join([classifier.classify(images[start : start + _COMPARED_AT_ONCE]) for start in starts])


def _novelty_agrees(ours: Predictions, theirs: Predictions) -> bool:
    if ours.novelty is None or theirs.novelty is None:
        return ours.novelty is theirs.novelty
    return bool(np.allclose(ours.novelty, theirs.novelty, rtol=1e-4, atol=1e-5))


if __name__ == "__main__":
    sys.exit(run_as_child(_build_as_child))
