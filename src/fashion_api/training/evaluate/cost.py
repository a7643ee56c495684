"""The cost of a prediction: weights, multiply-adds, and time compared with the tutorial's network."""

import logging
from pathlib import Path

import numpy as np

from fashion_api.errors import ModelError
from fashion_api.inference.compiled_cache import compile_cached
from fashion_api.inference.compiler import build
from fashion_api.inference.evaluation_record import CostRecord
from fashion_api.inference.interpretation import find_shape
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.model_file import ModelFile
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.training.evaluate.timing import time_in_turns
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import Model
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import RECIPES


def measure_cost(file: ModelFile, network: Model, cache_dir: Path) -> CostRecord:
    """Measure the cost of a model.

    Args:
        file: the model.
        network: its Keras form, whose weights and multiply-adds are counted.
        cache_dir: where its compiled form, which is timed, is or will be.
    """
    signature = KerasClassifier(network, file.declared).signature
    shape = find_shape(signature.input, signature.layout, network.inputs[0].shape[1:])
    return CostRecord(
        parameters=network.count_params(),
        multiply_adds=count_multiply_adds(network, shape),
        relative_time=_measure_relative_time(file, cache_dir),
    )


def _measure_relative_time(file: ModelFile, cache_dir: Path) -> float | None:
    """Time the compiled form over that of the tutorial's network; `None` if the model cannot be compiled."""
    logging.getLogger("tf2onnx").setLevel(logging.WARNING)  # it logs every step
    try:
        ours = OnnxClassifier(compile_cached(file, cache_dir), threads=1)
        signature = ours.read_signature()
        spec = InputSpec(height=signature.input.height, width=signature.input.width, channels=signature.input.channels)
        theirs = OnnxClassifier(compile_tutorial(spec, classes=signature.classes), threads=1)
    except ModelError:  # the Keras engine serves it
        return None
    our_time, their_time = time_in_turns([ours, theirs], spec)
    return our_time / their_time


def compile_tutorial(spec: InputSpec, *, classes: int) -> bytes:
    """Build the compiled form of the tutorial's network, with fixed random weights and biases.

    With fresh weights, whose biases are 0, all classes are equally probable for a black image: by rounding alone, the
    compiled form could see another one than Keras, and be refused.

    Raises:
        ModelError: it cannot be compiled.
    """
    network = build_model(RECIPES["tutorial"], shape=spec.shape, classes=classes, precision="float32")
    rng = np.random.default_rng(0)
    network.set_weights([rng.normal(0, 0.05, weight.shape) for weight in network.get_weights()])
    return build(encode_h5(network), spec)
