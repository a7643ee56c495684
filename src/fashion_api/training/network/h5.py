"""Encoding of a Keras model as a `.h5`."""

import logging
import tempfile
from pathlib import Path

from fashion_api.training.network.backend import Model


def encode_h5(model: Model) -> bytes:
    """Give the content of a Keras model's `.h5`."""
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        path = Path(folder) / "model.h5"  # Keras saves to a path only, and finds the format by the suffix
        logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against the .h5 format at every save
        model.save(path)
        return path.read_bytes()
