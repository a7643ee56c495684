"""Keras and TensorFlow, imported without their notices; all of training imports both from here."""

import os
from typing import Any, TypeAlias

from fashion_api.inference.keras_engine import import_tensorflow

# By default, TensorFlow uses oneDNN only on processors with AVX-512; with AVX2, it saves a fifth of the time of a step
# of `standard`.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
tf = import_tensorflow()  # silences both, so it must precede the import of Keras

import keras  # noqa: E402  # see above

# Keras ships no types; these names at least say what is meant.
Layer: TypeAlias = Any
Model: TypeAlias = Any
KerasOptimizer: TypeAlias = Any
Policy: TypeAlias = Any

__all__ = ["KerasOptimizer", "Layer", "Model", "Policy", "keras", "tf"]
