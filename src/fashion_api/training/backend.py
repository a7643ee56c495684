"""Keras and TensorFlow, imported without their notices; the rest of training takes both from here."""

import os

from fashion_api.inference.keras_engine import import_tensorflow

os.environ["KERAS_BACKEND"] = "tensorflow"  # whatever ~/.keras/keras.json says: the seeds and the .h5 rely on it
tf = import_tensorflow()  # quietens them, which has to come before Keras is imported

import keras  # noqa: E402

__all__ = ["keras", "tf"]
