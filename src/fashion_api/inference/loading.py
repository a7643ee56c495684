"""Loading of a model for serving: read once, checked, tested and warmed up."""

import logging
import math
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fashion_api.errors import DamagedModelError, ModelError
from fashion_api.inference.calibration import Calibration
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.compiled_cache import (
    compile_cached,
    compiled_path,
    digest_path,
    shipped_path,
    write_shipped,
)
from fashion_api.inference.keras_engine import KerasClassifier, describe_error, load_keras_model
from fashion_api.inference.manifest import InputSpec, Manifest, manifest_path
from fashion_api.inference.model_file import ModelFile, read_model_file
from fashion_api.inference.onnx_engine import OnnxClassifier, count_usable_cores
from fashion_api.inference.signature import Signature
from fashion_api.settings import FASHION_MNIST_LABELS, Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to classify."""

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
        """The manifest's calibration, if it has one."""
        return None if self.manifest is None else self.manifest.calibration


def find_differences(model: LoadedModel, other: LoadedModel) -> list[str]:
    """Say in what a caller would have to know which of two models answers: labels and image size."""
    differences = []
    if model.labels != other.labels:
        differences.append(f"its labels are {', '.join(model.labels)}, not {', '.join(other.labels)}")
    if model.input.shape != other.input.shape:
        sizes = ["×".join(map(str, spec.shape)) for spec in (model.input, other.input)]
        differences.append(f"it takes images of {sizes[0]} pixels, not {sizes[1]}")
    return differences


def load_model(settings: Settings) -> LoadedModel:
    """Read, verify, load, test and warm up the settings' model. Takes seconds; blocks.

    Raises:
        ModelError: it cannot be served; the message says what is wrong and what to do.
    """
    return load_model_file(read_model_file(settings), settings)


def load_model_file(file: ModelFile, settings: Settings, *, network: Any = None) -> LoadedModel:  # noqa: ANN401  # Keras ships no types
    """Load, test and warm up a model that was read before.

    Args:
        file: the model.
        settings: the engine, its threads, the cache, and the largest batch.
        network: the Keras model of the same file, if it was loaded before; the Keras engine then uses it.

    Raises:
        ModelError: it cannot be served; the message says what is wrong and what to do.
    """
    started = time.perf_counter()
    with file.named_in_errors():
        classifier, signature = _load_classifier(file, settings, network)
        labels = file.name_classes(signature)
        self_test(classifier, signature)
        _check_calibration(signature, file)
        _warm_up(classifier, signature.input, settings.max_batch_size)
    logger.info(
        "loaded %s %s on the %s engine in %.1f s",
        file.name,
        file.version,
        settings.engine,
        time.perf_counter() - started,
    )
    _log_signature(file, signature, labels)
    return LoadedModel(
        name=file.name,
        version=file.version,
        labels=labels,
        input=signature.input,
        engine=settings.engine,
        manifest=file.manifest,
        classifier=classifier,
    )


def _log_signature(file: ModelFile, signature: Signature, labels: tuple[str, ...]) -> None:
    logger.info("%s: %s", file.path, signature.describe())
    for warning in signature.warnings:
        logger.warning("%s: %s", file.path, warning)
    if file.labels is None:
        kind = "Fashion-MNIST's" if labels == FASHION_MNIST_LABELS else f"{labels[0]}, {labels[1]} …"
        logger.warning(
            "%s has no manifest, and FASHION_CLASS_NAMES is not set: its labels are %s; `fashion-api inspect "
            "--write-manifest` writes one to be completed",
            file.path,
            kind,
        )


def _load_classifier(file: ModelFile, settings: Settings, network: Any) -> tuple[Classifier, Signature]:  # noqa: ANN401  # see load_model_file
    if settings.engine == "keras":
        network = load_keras_model(file.content) if network is None else network
        reference = KerasClassifier(network, file.declared, temperature=file.temperature)
        return reference, reference.signature
    threads = max(1, count_usable_cores() // settings.workers - 1)  # one core is the event loop's
    compiled = compile_cached(file, settings.cache_dir)
    try:
        classifier = OnnxClassifier(compiled, threads=threads)
        return classifier, classifier.read_signature()
    except DamagedModelError as error:  # of another version of ONNX Runtime: its digest is right
        path = _find_compiled(file, settings)
        raise ModelError(f"{error}: remove {path}, to have it built anew") from error


def _find_compiled(file: ModelFile, settings: Settings) -> Path:
    """Give the path of the compiled form that was read: that in the cache or, without one, that beside the `.h5`."""
    path = compiled_path(file, settings.cache_dir)
    return path if path.exists() else shipped_path(file.path)


def compile_model(settings: Settings, output: Path | None = None) -> Path:
    """Build the compiled form of the settings' model, unless there is one, and give its path.

    Args:
        settings: the model, and the cache that keeps the compiled form.
        output: where it is written as well, with a record of what it was built from.

    Raises:
        ModelError: it cannot be built, or `output` is there and is no compiled form.
        OSError: it cannot be written to `output`.
    """
    if output is not None and os.path.lexists(output) and not digest_path(output).exists():
        raise ModelError(
            f"{output} is there already, with no {digest_path(output).name} beside it, which `fashion-api compile` "
            "writes: name another place with --output, or remove it"
        )
    file = read_model_file(settings)
    with file.named_in_errors():
        compiled = compile_cached(file, settings.cache_dir)
    if output is None:
        return _find_compiled(file, settings)
    write_shipped(file, compiled, output)
    return output


def self_test(classifier: Classifier, signature: Signature) -> None:
    """Classify a black, a white and a noise image, and check that the results are probabilities of the classes.

    Raises:
        ModelError: the model fails, or its outputs are no probabilities.
    """
    # Not numpy.random, which would be imported for this alone and take 3 MB.
    spec = signature.input
    noise = np.frombuffer(random.Random(0).randbytes(math.prod(spec.shape)), np.uint8)  # noqa: S311  # no secret
    noise = noise.reshape(1, *spec.shape)
    images = np.concatenate((np.zeros_like(noise), np.full_like(noise, 255), noise))
    try:
        predictions = classifier.classify(images)
    except Exception as error:  # an engine may raise anything; here it means that the model cannot be served
        raise ModelError(f"it fails on a test image: {describe_error(error)}") from error
    probabilities, novelty = predictions.probabilities, predictions.novelty
    is_distribution = (
        probabilities.shape == (len(images), signature.classes)
        and (probabilities >= 0).all()
        and np.allclose(probabilities.sum(axis=1), 1, atol=1e-3)
    )
    if not is_distribution:  # NaN compares false, and ends here too
        raise ModelError(
            f"its outputs are not probabilities, though {signature.output_reason}: end it in a softmax over all "
            'classes, or say in its manifest what they are, "output": "logits" for example'
        )
    if novelty is not None and (novelty.shape != (len(images),) or not np.isfinite(novelty).all()):
        raise ModelError("its second output, the novelty, is not one finite number for an image")


def _check_calibration(signature: Signature, file: ModelFile) -> None:
    """Check that the model has a novelty output if, and only if, its calibration has novelty thresholds."""
    if file.calibration is None:
        return
    path = manifest_path(file.path)
    has_threshold = file.calibration.novelty is not None
    if signature.has_novelty and not has_threshold:
        raise ModelError(f"it scores novelty, but calibration.novelty is missing in {path}")
    if has_threshold and not signature.has_novelty:
        raise ModelError(f"{path} has calibration.novelty, but it does not score novelty")


def _warm_up(classifier: Classifier, spec: InputSpec, max_batch_size: int) -> None:
    """Classify batches of 1, 2, 4 … images, as an engine prepares itself for each batch size at its first use."""
    size = 1
    while size < max_batch_size:
        classifier.classify(np.zeros((size, *spec.shape), np.uint8))
        size *= 2
    classifier.classify(np.zeros((max_batch_size, *spec.shape), np.uint8))
