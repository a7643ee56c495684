"""From a Keras model to its compiled form, an ONNX graph: built once, compared with Keras, cached, never edited.

TensorFlow, which the export needs, is imported in a child process only, so that the service never pays for it.
"""

import fcntl
import importlib.util
import json
import logging
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.files import write_atomically
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.manifest import InputSpec

logger = logging.getLogger(__name__)

COMPILER_VERSION = 2
"""Goes up with every change of what is built, so that what an older version has built is not taken for it."""
MAX_DIFFERENCE = 1e-5
"""How far a probability of the compiled form may be from Keras's."""
_COMPARED_IMAGES = 256
_TIMEOUT_S = 600
_REFUSED = 3  # the child's exit status when its last line is fit to be shown


def compiled_path(cache_dir: Path, sha256: str, spec: InputSpec, *, temperature: float = 1.0) -> Path:
    """Where the compiled form of a model is kept: what it is built from stands in its name."""
    low, high = spec.pixel_range
    name = f"{sha256}-pixels-{low:g}-{high:g}-temperature-{temperature:.9g}-v{COMPILER_VERSION}.onnx"
    return cache_dir / "compiled" / name


def compile_cached(content: bytes, path: Path, spec: InputSpec, *, temperature: float = 1.0) -> bytes:
    """Give the compiled form of a `.h5` from `path`, or build it in a child process and put it there.

    Several processes that ask at once build it once.

    Raises:
        ModelError: it is not there and cannot be built; says why, and the ways out.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ModelError(
            f"the compiled model {path} cannot be read: {error.strerror}; set FASHION_CACHE_DIR"
        ) from error
    if importlib.util.find_spec("tensorflow") is None:
        raise ModelError(
            "the model has no compiled form yet, and TensorFlow, which builds it, is not installed: either run "
            f"`fashion-api compile` where it is and bring {path.parent} along, or pip install 'fashion-api[train]'"
        )
    try:
        with _locked(path):
            if not path.exists():  # another process may have built it while this one waited
                _build_in_child(content, spec, path, temperature)
            return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the compiled model cannot be kept in {path.parent}: {error.strerror}; set FASHION_CACHE_DIR to a folder "
            "that can be written to, or run `fashion-api compile` with it beforehand"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside a file; the operating system frees it with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_in_child(content: bytes, spec: InputSpec, path: Path, temperature: float) -> None:
    logger.info("compiling the model, once")
    started = time.perf_counter()
    command = [sys.executable, "-m", __name__, spec.model_dump_json(), repr(temperature), str(path)]
    try:
        result = subprocess.run(  # noqa: S603  # our own command
            command, input=content, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ModelError(f"the model was not compiled within {_TIMEOUT_S} s") from None
    if result.returncode:
        output = result.stderr.decode(errors="replace").strip()
        if result.returncode == _REFUSED:
            raise ModelError(output.splitlines()[-1])
        logger.error("the compiler's output: %s", output)
        raise ModelError(f"the model cannot be compiled: the compiler ended with status {result.returncode}")
    logger.info("compiled in %.1f s: %s", time.perf_counter() - started, path)


def build(content: bytes, spec: InputSpec, *, temperature: float = 1.0) -> bytes:
    """Export a `.h5` to ONNX, with the cast, the scaling and the temperature in the graph, and hold it against Keras.

    Its input is uint8[n, height, width], its outputs float32[n, classes] and, where the model has it, the novelty
    float32[n, 1].

    Raises:
        ModelError: Keras cannot load or export it, or the two differ.
    """
    from fashion_api.inference.keras_engine import KerasClassifier, load_keras_model  # noqa: PLC0415  # TensorFlow
    from fashion_api.inference.onnx_engine import OnnxClassifier  # noqa: PLC0415  # the child alone needs both

    model = load_keras_model(content, spec)
    compiled = _export(model, spec, temperature)
    reference = KerasClassifier(model, pixel_range=spec.pixel_range, temperature=temperature)
    compare(OnnxClassifier(compiled, threads=1), reference, make_comparison_images(spec))
    return compiled


def _export(model: Any, spec: InputSpec, temperature: float) -> bytes:  # noqa: ANN401  # Keras ships no types
    import keras  # noqa: PLC0415  # see build()

    from fashion_api.inference.keras_engine import divide_logits, split_outputs  # noqa: PLC0415

    low, high = spec.pixel_range
    images = keras.Input((spec.height, spec.width), dtype="uint8", name="images")
    pixels = keras.ops.reshape(keras.ops.cast(images, "float32"), (-1, *model.input_shape[1:]))
    if (low, high) != (0.0, 255.0):
        pixels = pixels * ((high - low) / 255.0) + low
    whole = keras.Model(images, divide_logits(split_outputs(model(pixels)), temperature))
    signature = [keras.InputSpec(dtype="uint8", shape=(None, spec.height, spec.width), name="images")]
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx's own, on NumPy's names
        path = Path(folder) / "model.onnx"
        try:
            whole.export(path, format="onnx", verbose=False, input_signature=signature)
        except Exception as error:  # the exporter fails in its own ways on layers that it does not know
            raise ModelError(
                f"Keras cannot export it to ONNX ({type(error).__name__}); FASHION_ENGINE=keras serves it as it is"
            ) from error
        return path.read_bytes()


def make_comparison_images(spec: InputSpec) -> Images:
    """Make the fixed batch that engines are compared on: black, white, and noise from dark to light and back."""
    rng = np.random.default_rng(0)
    shape = (_COMPARED_IMAGES, spec.height, spec.width)
    images = rng.integers(0, 256, shape) * rng.random((_COMPARED_IMAGES, 1, 1)) ** 2
    images[0], images[1] = 0, 255
    return images.astype(np.uint8)


def compare(compiled: Classifier, reference: Classifier, images: Images) -> None:
    """Hold two engines against each other.

    Raises:
        ModelError: a probability differs by more than `MAX_DIFFERENCE`, the novelty by more than a hundredth of a
            percent, or an image gets another class.
    """
    ours, theirs = compiled.classify(images), reference.classify(images)
    difference = float(np.abs(ours.probabilities - theirs.probabilities).max())
    if not difference <= MAX_DIFFERENCE:  # NaN is never less
        raise ModelError(f"its compiled form differs from Keras by {difference:.1e}, more than {MAX_DIFFERENCE:.0e}")
    if not _novelty_agrees(ours, theirs):
        raise ModelError("its compiled form and Keras differ in the novelty of an image")
    if (ours.class_ids != theirs.class_ids).any():
        raise ModelError("its compiled form and Keras see different classes in an image")


def _novelty_agrees(ours: Predictions, theirs: Predictions) -> bool:
    if ours.novelty is None or theirs.novelty is None:
        return ours.novelty is theirs.novelty
    return bool(np.allclose(ours.novelty, theirs.novelty, rtol=1e-4, atol=1e-5))


def main() -> int:
    """Build in the child process: the input's form, the temperature and the target as arguments, the `.h5` as input."""
    spec = InputSpec.model_validate(json.loads(sys.argv[1]))
    try:
        write_atomically(Path(sys.argv[3]), build(sys.stdin.buffer.read(), spec, temperature=float(sys.argv[2])))
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
