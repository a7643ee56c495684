"""The compiler of a Keras model to an ONNX graph, which is compared with Keras and cached.

The export needs TensorFlow. It runs in a child process, so that the service never imports it.
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
from fashion_api.inference.model_file import ModelFile

logger = logging.getLogger(__name__)

COMPILER_VERSION = 2
"""To be raised with every change of what is built, so that cached files of older versions are not used."""
MAX_DIFFERENCE = 1e-5
"""The largest accepted difference between a probability of the compiled form and Keras's."""
_COMPARED_IMAGES = 256
_TIMEOUT_S = 600
_REFUSED = 3  # the child's exit status if its last line is an error message for the user


def compiled_path(file: ModelFile, cache_dir: Path) -> Path:
    """Give the path of a model's compiled form in the cache; its name has all that it is built from."""
    low, high = file.input.pixel_range
    name = f"{file.sha256}-pixels-{low:g}-{high:g}-temperature-{file.temperature:.9g}-v{COMPILER_VERSION}.onnx"
    return cache_dir / "compiled" / name


def compile_cached(file: ModelFile, cache_dir: Path) -> bytes:
    """Give the compiled form of a model from the cache; if it is not there, build it in a child process.

    If several processes ask at the same time, one builds it and the others wait.

    Raises:
        ModelError: it is not in the cache and cannot be built; says why, and what to do.
    """
    path = compiled_path(file, cache_dir)
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
                _build_in_child(file, path)
            return path.read_bytes()
    except OSError as error:
        raise ModelError(
            f"the compiled model cannot be kept in {path.parent}: {error.strerror}; set FASHION_CACHE_DIR to a folder "
            "that can be written to, or run `fashion-api compile` with it beforehand"
        ) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock beside a file; the operating system releases it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_in_child(file: ModelFile, path: Path) -> None:
    logger.info("compiling the model, once")
    started = time.perf_counter()
    command = [sys.executable, "-m", __name__, file.input.model_dump_json(), repr(file.temperature), str(path)]
    try:
        result = subprocess.run(  # noqa: S603  # our own command
            command, input=file.content, capture_output=True, timeout=_TIMEOUT_S, check=False
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
    """Export a `.h5` to ONNX, with the cast, the scaling and the temperature in the graph, and compare it with Keras.

    The graph takes uint8[n, height, width], and gives float32[n, classes] and, for a model with a novelty output,
    float32[n, 1].

    Raises:
        ModelError: Keras cannot load or export it, or the two differ.
    """
    from fashion_api.inference.keras_engine import KerasClassifier, load_keras_model  # noqa: PLC0415  # imports TensorFlow
    from fashion_api.inference.onnx_engine import OnnxClassifier  # noqa: PLC0415  # only the child needs it

    model = load_keras_model(content, spec)
    compiled = _export(model, spec, temperature)
    reference = KerasClassifier(model, spec, temperature=temperature)
    compare(OnnxClassifier(compiled, threads=1), reference, make_comparison_images(spec))
    return compiled


def _export(model: Any, spec: InputSpec, temperature: float) -> bytes:  # noqa: ANN401  # Keras ships no types
    import keras  # noqa: PLC0415  # see build()

    from fashion_api.inference.keras_engine import divide_logits, split_outputs  # noqa: PLC0415

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
            raise ModelError(
                f"Keras cannot export it to ONNX ({type(error).__name__}); FASHION_ENGINE=keras serves it as it is"
            ) from error
        return path.read_bytes()


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
    """Build in the child process: arguments are input spec, temperature and target path; standard input is a `.h5`."""
    spec = InputSpec.model_validate(json.loads(sys.argv[1]))
    try:
        write_atomically(Path(sys.argv[3]), build(sys.stdin.buffer.read(), spec, temperature=float(sys.argv[2])))
    except ModelError as error:
        sys.stderr.write(f"{error}\n")
        return _REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
