"""From a `.h5` on disk to a model that has shown that it answers: read once, verified, tested, warm."""

import logging
import random
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashion_api.errors import DamagedModelError, ModelError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.calibration import Calibration
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.compiler import compile_cached, compiled_path
from fashion_api.inference.keras_engine import KerasClassifier, load_keras_model
from fashion_api.inference.manifest import InputSpec, Manifest, manifest_path, read_manifest
from fashion_api.inference.onnx_engine import OnnxClassifier, count_usable_cores
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)

_VERSION_DIGITS = 12
_TUTORIAL_PIXEL_RANGE = (0.0, 1.0)


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to answer."""

    name: str
    version: str
    """The first 12 hex digits of the `.h5`'s SHA-256."""
    labels: tuple[str, ...]
    """In the order of the classifier's outputs."""
    input: InputSpec
    engine: str
    manifest: Manifest | None
    classifier: Classifier

    @property
    def calibration(self) -> Calibration | None:
        """What makes its answers mean what they say, where the manifest has it."""
        return None if self.manifest is None else self.manifest.calibration


def load_model(settings: Settings) -> LoadedModel:
    """Read, verify, load, test and warm up the model that the settings name. Takes seconds; blocks.

    Raises:
        ModelError: it cannot be served; the message says what is wrong and what to do.
    """
    started = time.perf_counter()
    path = settings.model_path
    content = _read_h5(path)
    manifest = read_manifest(path)
    sha256 = sha256_hex(content)
    _check_agreement(settings, manifest, sha256)
    labels = manifest.labels if manifest else settings.class_names
    spec = _input_spec(settings, manifest)
    classifier = _load_classifier(content, sha256, spec, settings, temperature=_temperature(manifest))
    self_test(classifier, spec, labels)
    _check_calibration(path, classifier, spec, manifest)
    _warm_up(classifier, spec, settings.max_batch_size)
    model = LoadedModel(
        name=manifest.name if manifest else path.stem,
        version=sha256[:_VERSION_DIGITS],
        labels=labels,
        input=spec,
        engine=settings.engine,
        manifest=manifest,
        classifier=classifier,
    )
    logger.info(
        "loaded %s %s on the %s engine in %.1f s",
        model.name,
        model.version,
        model.engine,
        time.perf_counter() - started,
    )
    if manifest is None:
        logger.warning("%s has no manifest: pixels are scaled to 0–1, and the labels are FASHION_CLASS_NAMES", path)
    return model


def _read_h5(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(
            f"there is no model {path}: train one with `fashion-api train`, or set FASHION_MODEL_PATH"
        ) from None
    except OSError as error:
        raise ModelError(f"the model {path} cannot be read: {error.strerror}") from error
    if not content.startswith(b"\x89HDF\r\n\x1a\n"):
        raise ModelError(f"{path} is not an HDF5 file; a Keras .h5 is")
    return content


def _check_agreement(settings: Settings, manifest: Manifest | None, sha256: str) -> None:
    """Hold the manifest against the file, and against what the operator has set on purpose."""
    if manifest is None:
        return
    path = manifest_path(settings.model_path)
    if manifest.sha256 != sha256:
        raise ModelError(
            f"{settings.model_path} is not the file that {path} describes: its SHA-256 is {sha256[:_VERSION_DIGITS]}…, "
            f"the manifest says {manifest.sha256[:_VERSION_DIGITS]}…"
        )
    given = settings.model_fields_set
    if "class_names" in given and settings.class_names != manifest.labels:
        raise ModelError(f"FASHION_CLASS_NAMES and the labels in {path} differ; unset it, or correct one of them")
    for name, value in (("image_height", manifest.input.height), ("image_width", manifest.input.width)):
        if name in given and getattr(settings, name) != value:
            raise ModelError(f"FASHION_{name.upper()} is {getattr(settings, name)}, but {path} says {value}")


def _input_spec(settings: Settings, manifest: Manifest | None) -> InputSpec:
    if manifest is not None:
        return manifest.input
    return InputSpec(height=settings.image_height, width=settings.image_width, pixel_range=_TUTORIAL_PIXEL_RANGE)


def _temperature(manifest: Manifest | None) -> float:
    return 1.0 if manifest is None or manifest.calibration is None else manifest.calibration.temperature


def _load_classifier(
    content: bytes, sha256: str, spec: InputSpec, settings: Settings, *, temperature: float
) -> Classifier:
    if settings.engine == "keras":
        model = load_keras_model(content, spec)
        return KerasClassifier(model, pixel_range=spec.pixel_range, temperature=temperature)
    threads = max(1, count_usable_cores() // settings.workers - 1)  # one core is the event loop's
    path = compiled_path(settings.cache_dir, sha256, spec, temperature=temperature)
    try:
        return OnnxClassifier(compile_cached(content, path, spec, temperature=temperature), threads=threads)
    except DamagedModelError:
        logger.warning("%s is damaged: it is built anew", path)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(f"{path} is damaged, and cannot be replaced: {error.strerror}") from error
        return OnnxClassifier(compile_cached(content, path, spec, temperature=temperature), threads=threads)


def compile_model(settings: Settings) -> Path:
    """Build the compiled form of the settings' model, where it is not in the cache, and tell where it is.

    Raises:
        ModelError: it cannot be built.
    """
    content = _read_h5(settings.model_path)
    sha256 = sha256_hex(content)
    manifest = read_manifest(settings.model_path)
    _check_agreement(settings, manifest, sha256)
    spec = _input_spec(settings, manifest)
    temperature = _temperature(manifest)
    path = compiled_path(settings.cache_dir, sha256, spec, temperature=temperature)
    compile_cached(content, path, spec, temperature=temperature)
    return path


def self_test(classifier: Classifier, spec: InputSpec, labels: tuple[str, ...]) -> None:
    """Have the model classify black, white and noise, and hold what comes back against what must be true of it.

    Raises:
        ModelError: it fails, does not fit the labels, or its outputs are no probabilities.
    """
    # Not numpy.random, which would be imported for this alone and take 3 MB.
    noise = np.frombuffer(random.Random(0).randbytes(spec.height * spec.width), np.uint8)  # noqa: S311  # no secret
    noise = noise.reshape(1, spec.height, spec.width)
    images: Images = np.concatenate((np.zeros_like(noise), np.full_like(noise, 255), noise))
    try:
        probabilities = classifier.classify(images).probabilities
    except Exception as error:  # an engine may raise anything; here it means that the model cannot be served
        raise ModelError(f"the model fails on a test image ({type(error).__name__})") from error
    if probabilities.shape != (len(images), len(labels)):
        raise ModelError(
            f"the model has {probabilities.shape[-1]} outputs, but there are {len(labels)} labels: correct the "
            "manifest, or FASHION_CLASS_NAMES"
        )
    is_distribution = (probabilities >= 0).all() and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    if not is_distribution:  # NaN compares false, and ends here too
        raise ModelError("the model's outputs are not probabilities: its last layer must be a softmax")


def _check_calibration(path: Path, classifier: Classifier, spec: InputSpec, manifest: Manifest | None) -> None:
    """Hold what the manifest says of novelty against what the model gives."""
    if manifest is None or manifest.calibration is None:
        return
    has_threshold = manifest.calibration.novelty is not None
    has_novelty = classifier.classify(np.zeros((1, spec.height, spec.width), np.uint8)).novelty is not None
    if has_novelty and not has_threshold:
        raise ModelError(f"the model scores novelty, but calibration.novelty is missing in {manifest_path(path)}")
    if has_threshold and not has_novelty:
        raise ModelError(f"{manifest_path(path)} has calibration.novelty, but the model does not score novelty")


def _warm_up(classifier: Classifier, spec: InputSpec, max_batch_size: int) -> None:
    """Let an engine make its preparations, which it makes anew for each size, for batches of 1, 2, 4 … images."""
    size = 1
    while size < max_batch_size:
        classifier.classify(np.zeros((size, spec.height, spec.width), np.uint8))
        size *= 2
    classifier.classify(np.zeros((max_batch_size, spec.height, spec.width), np.uint8))
