"""What an answer costs: weights, multiply-adds, and time beside the tutorial's network."""

import logging
import math
import time
from collections.abc import Sequence

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.compiler import build, compile_cached, compiled_path
from fashion_api.inference.evaluation_record import CostRecord
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.settings import Settings
from fashion_api.training.evaluate.calibrating import find_temperature
from fashion_api.training.fit.architectures import build_model
from fashion_api.training.fit.backend import Model
from fashion_api.training.fit.training import encode_h5
from fashion_api.training.recipe import RECIPES

_ROUNDS = 40
_CALLS = 25  # a round and classifier: some milliseconds, within which a machine changes little


def measure_cost(model: LoadedModel, network: Model, settings: Settings) -> CostRecord:
    """Count what `network`, the Keras form of `model`, computes, and time its compiled form beside the tutorial's."""
    return CostRecord(
        parameters=network.count_params(),
        multiply_adds=count_multiply_adds(network),
        relative_time=_measure_relative_time(model, settings),
    )


def count_multiply_adds(network: Model) -> int:
    """Count the multiplications of the convolutions and dense layers for one image; the other layers' are few."""
    return sum(_count_in_layer(layer) for layer in network.layers if hasattr(layer, "kernel"))


def _count_in_layer(layer: Model) -> int:
    """A kernel is used once a place of the output: at each pixel for a convolution, once for a dense layer."""
    places = math.prod(layer.output.shape[1:-1])
    return int(places * math.prod(layer.kernel.shape))


def _measure_relative_time(model: LoadedModel, settings: Settings) -> float | None:
    spec = model.input
    tutorial = build_model(
        RECIPES["tutorial"], shape=(spec.height, spec.width), classes=len(model.labels), precision="float32"
    )
    content = settings.model_path.read_bytes()
    temperature = find_temperature(model)
    path = compiled_path(settings.cache_dir, sha256_hex(content), spec, temperature=temperature)
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)  # it tells all it does
    try:
        compiled = compile_cached(content, path, spec, temperature=temperature)
        yardstick = build(encode_h5(tutorial), InputSpec(height=spec.height, width=spec.width))
    except ModelError:  # served by Keras, as it does not export
        return None
    ours, theirs = time_in_turns([OnnxClassifier(form, threads=1) for form in (compiled, yardstick)], spec)
    return ours / theirs


def time_in_turns(classifiers: Sequence[Classifier], spec: InputSpec) -> list[float]:
    """Time one image at a time: seconds for each classifier.

    They take turns in short rounds, so that what else the machine does meets them all alike; of the rounds' means, the
    least counts, which other work has disturbed least.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, spec.height, spec.width), dtype=np.uint8)
    rounds = [[_time_round(classifier, image) for classifier in classifiers] for _ in range(_ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _time_round(classifier: Classifier, image: Images) -> float:
    started = time.perf_counter()
    for _ in range(_CALLS):
        classifier.classify(image)
    return (time.perf_counter() - started) / _CALLS
