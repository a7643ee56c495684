"""The compiler of a Keras model to an ONNX graph, which is compared with Keras."""

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fashion_api.errors import DamagedModelError, ModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_process import Limits, begin_step, run_as_child, run_in_child
from fashion_api.inference.onnx_graph import check_graph

logger = logging.getLogger(__name__)

COMPILER_VERSION = 4
"""To be raised with every change of what is built, so that cached files of older versions are not used."""
MAX_DIFFERENCE = 1e-5
"""The largest accepted difference between a probability of the compiled form and Keras's."""
LIMITS = Limits(time_s=600, processor_s=600, memory_bytes=4 << 30, memory_factor=12)
"""What compiling may take. TensorFlow alone takes less than 1 GiB; it and the export copy the weights several times."""
_COMPARED_IMAGES = 256
_COMPARED_AT_ONCE = 16


def compile_in_child(
    content: bytes, spec: InputSpec, *, temperature: float, said_by: str, limits: Limits = LIMITS
) -> bytes:
    """Build in a child process, so that the service never imports TensorFlow; see `build`.

    Raises:
        ModelError: as in `build`, or it took too much time or memory.
    """
    arguments = (spec.model_dump_json(), repr(temperature), said_by)
    return run_in_child(__name__, content, *arguments, limits=limits, task="compiling it")


def _build_as_child(content: bytes, arguments: Sequence[str]) -> bytes:
    spec, temperature, said_by = arguments
    return build(
        content, InputSpec.model_validate_json(spec), temperature=float(temperature), said_by=said_by, tell=begin_step
    )


def build(
    content: bytes,
    spec: InputSpec,
    *,
    temperature: float = 1.0,
    said_by: str = "the settings",
    tell: Callable[[str], None] = logger.debug,
) -> bytes:
    """Export a `.h5` to ONNX, with the cast, the scaling and the temperature in the graph, and compare it with Keras.

    The graph takes uint8[n, height, width], and gives float32[n, classes] and, for a model with a novelty output,
    float32[n, 1].

    Args:
        content: the `.h5`.
        spec: the size of an image and the range of its pixels.
        temperature: what the logits are divided by.
        said_by: what gives the size of an image, for a message.
        tell: is told each step.

    Raises:
        ModelError: it is hostile, Keras cannot load or export it, or the two differ.
    """
    from fashion_api.inference.keras_engine import load_keras_model  # noqa: PLC0415  # imports TensorFlow

    tell("importing TensorFlow, and reading the model")
    return build_network(load_keras_model(content, spec, said_by=said_by), spec, temperature=temperature, tell=tell)


def build_network(
    model: Any,  # noqa: ANN401  # Keras ships no types
    spec: InputSpec,
    *,
    temperature: float = 1.0,
    tell: Callable[[str], None] = logger.debug,
) -> bytes:
    """Export a Keras model to ONNX; as `build`, once it is loaded."""
    from fashion_api.inference.keras_engine import KerasClassifier  # noqa: PLC0415  # imports TensorFlow

    reference = KerasClassifier(model, spec, temperature=temperature)
    images = make_comparison_images(spec)
    try:
        tell("exporting it to ONNX")
        compiled = _export(model, spec, temperature)
        tell(f"comparing the compiled form with Keras on {_COMPARED_IMAGES} images")
        _compare_compiled(compiled, reference, images)
    except ModelError as error:
        raise ModelError(f"{error}; {_try_keras(reference, images)}") from error
    return compiled


def _compare_compiled(compiled: bytes, reference: Classifier, images: Images) -> None:
    from fashion_api.inference.keras_engine import describe_error  # noqa: PLC0415  # see build()
    from fashion_api.inference.onnx_engine import OnnxClassifier  # noqa: PLC0415  # only the child needs it

    try:
        compare(OnnxClassifier(compiled, threads=1), reference, images)
    except ModelError:
        raise
    except Exception as error:  # ONNX Runtime's errors have no common base of their own
        raise ModelError(f"its compiled form cannot be run: {describe_error(error)}") from error


def _try_keras(reference: Classifier, images: Images) -> str:
    """Say whether Keras's engine, which was asked for a few images, serves what the compiled form does not."""
    from fashion_api.inference.keras_engine import describe_error  # noqa: PLC0415  # see build()

    try:
        is_served = bool(np.isfinite(reference.classify(images[:_COMPARED_AT_ONCE]).probabilities).all())
    except Exception as error:  # noqa: BLE001  # TensorFlow raises many kinds
        return f"nor can Keras compute it: {describe_error(error)}"
    return "FASHION_ENGINE=keras serves it as it is" if is_served else "nor does Keras give finite numbers"


def _export(model: Any, spec: InputSpec, temperature: float) -> bytes:  # noqa: ANN401  # Keras ships no types
    import keras  # noqa: PLC0415  # see build()

    from fashion_api.inference.graph_folding import fold  # noqa: PLC0415  # imports onnx
    from fashion_api.inference.keras_engine import describe_error, divide_logits, split_outputs  # noqa: PLC0415  # only where it runs

    images = keras.Input(spec.shape, dtype="uint8", name="images")
    pixels = keras.ops.reshape(keras.ops.cast(images, "float32"), (-1, *model.input_shape[1:]))
    if spec.pixel_range != (0.0, 255.0):
        pixels = spec.scale(pixels)
    whole = keras.Model(images, divide_logits(split_outputs(model(pixels)), temperature))
    signature = [keras.InputSpec(dtype="uint8", shape=(None, *spec.shape), name="images")]
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tf2onnx, on NumPy's names
        path = Path(folder) / "model.onnx"
        try:
            whole.export(path, format="onnx", verbose=False, input_signature=signature)
        except Exception as error:  # the exporter raises various kinds for layers that it does not support
            raise ModelError(f"Keras cannot export it to ONNX: {describe_error(error)}") from error
        compiled = fold(path.read_bytes())
    try:
        check_graph(compiled)
    except DamagedModelError as error:
        raise ModelError(f"Keras exports it to ONNX in a way that is not served: {error}") from error
    return compiled


def make_comparison_images(spec: InputSpec) -> Images:
    """Make the fixed images that engines are compared on: black, white, and noise of various brightness."""
    rng = np.random.default_rng(0)
    shape = (_COMPARED_IMAGES, *spec.shape)
    images = rng.integers(0, 256, shape) * rng.random((_COMPARED_IMAGES, 1, 1)) ** 2
    images[0], images[1] = 0, 255
    return images.astype(np.uint8)


def compare(compiled: Classifier, reference: Classifier, images: Images) -> None:
    """Check that two engines agree on some images.

    Raises:
        ModelError: a probability differs by more than `MAX_DIFFERENCE`, the novelty by more than a hundredth of a
            percent, or an image gets another class.
    """
    ours, theirs = _classify_in_parts(compiled, images), _classify_in_parts(reference, images)
    difference = float(np.abs(ours.probabilities - theirs.probabilities).max())
    if not difference <= MAX_DIFFERENCE:  # NaN is never less
        raise ModelError(f"its compiled form differs from Keras by {difference:.1e}, more than {MAX_DIFFERENCE:.0e}")
    if not _novelty_agrees(ours, theirs):
        raise ModelError("its compiled form and Keras differ in the novelty of an image")
    if (ours.class_ids != theirs.class_ids).any():
        raise ModelError("its compiled form and Keras see different classes in an image")


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
