"""From a `.h5` on disk to a model that has shown that it answers: read once, verified, tested, warm."""

import io
import logging
import time
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fashion_api.exceptions import ModelError
from fashion_api.files import sha256_hex
from fashion_api.inference.classifier import Classifier, Images
from fashion_api.inference.keras_engine import KerasClassifier, input_shape, load_keras_model
from fashion_api.inference.manifest import InputSpec, Manifest, manifest_path, read_manifest
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


def load_model(settings: Settings) -> LoadedModel:
    """Read, verify, load, test and warm up the model that the settings name. Takes seconds; blocks.

    Raises:
        ModelError: it cannot be served; the message says what is wrong and what to do.
    """
    started = time.perf_counter()
    path = settings.model_path
    content = _read_h5(path)
    manifest = read_manifest(path)
    _check_agreement(settings, manifest, sha256_hex(content))
    labels = manifest.labels if manifest else settings.class_names
    spec = (
        manifest.input
        if manifest
        else InputSpec(height=settings.image_height, width=settings.image_width, pixel_range=_TUTORIAL_PIXEL_RANGE)
    )
    classifier = _load_classifier(content, spec, path)
    self_test(classifier, spec, labels)
    _warm_up(classifier, spec, settings.max_batch_size)
    model = LoadedModel(
        name=manifest.name if manifest else path.stem,
        version=sha256_hex(content)[:_VERSION_DIGITS],
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
    try:
        with h5py.File(io.BytesIO(content)) as file:
            has_architecture = "model_config" in file.attrs
    except (OSError, RuntimeError, KeyError):
        raise ModelError(f"{path} is damaged or cut short ({len(content)} bytes)") from None
    if not has_architecture:
        raise ModelError(f"{path} holds no Keras model: save it with model.save(), not model.save_weights()")
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


def _load_classifier(content: bytes, spec: InputSpec, path: Path) -> Classifier:
    model = load_keras_model(content)
    shape = input_shape(model)
    if shape != (spec.height, spec.width):
        raise ModelError(
            f"{path} takes images of {shape[0]}×{shape[1]} pixels, but {spec.height}×{spec.width} are set: correct the "
            "manifest, or FASHION_IMAGE_HEIGHT and FASHION_IMAGE_WIDTH"
        )
    return KerasClassifier(model, pixel_range=spec.pixel_range)


def self_test(classifier: Classifier, spec: InputSpec, labels: tuple[str, ...]) -> None:
    """Have the model classify black, white and noise, and hold what comes back against what must be true of it.

    Raises:
        ModelError: it fails, does not fit the labels, or its outputs are no probabilities.
    """
    noise = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width), dtype=np.uint8)
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


def _warm_up(classifier: Classifier, spec: InputSpec, max_batch_size: int) -> None:
    """Let an engine make its preparations for the smallest and the largest batch before the first request."""
    for size in (1, max_batch_size):
        for _ in range(2):
            classifier.classify(np.zeros((size, spec.height, spec.width), np.uint8))
