"""Keras and TensorFlow, imported without their notices; the rest of training takes both from here."""

import os
from typing import Any, TypeAlias

from fashion_api.inference.keras_engine import import_tensorflow

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says: the seeds and the .h5 rely on it
# Left to itself, TensorFlow uses oneDNN only on processors with AVX-512; with AVX2, a step of `standard` takes 0.8 of
# the processor time with it.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
tf = import_tensorflow()  # quietens them, which has to come before Keras is imported

import keras  # noqa: E402

# Keras ships no types; these at least say what is meant.
Layer: TypeAlias = Any
Model: TypeAlias = Any
KerasOptimizer: TypeAlias = Any
Policy: TypeAlias = Any

__all__ = ["KerasOptimizer", "Layer", "Model", "Policy", "keras", "tf"]
