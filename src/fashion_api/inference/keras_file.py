"""A model's file as Keras 3 reads it: the same weights, with the configuration migrated."""

import io
import json
from dataclasses import dataclass, replace

import h5py

from fashion_api.inference import keras_archive
from fashion_api.inference.h5_walk import read_h5_config, read_version
from fashion_api.inference.keras_config import read_config


@dataclass(frozen=True)
class MigratedFile:
    """A file that Keras 3 reads."""

    content: bytes
    suffix: str
    """By which Keras finds its format."""
    version: str
    """The version of Keras that wrote the model."""


def migrate_file(content: bytes) -> MigratedFile:
    """Migrate the configuration in a model's file, which the walk has checked.

    Raises:
        ModelError: it cannot be migrated; see `read_config`.
    """
    if content.startswith(keras_archive.SIGNATURE):
        archive = keras_archive.read_archive(content)
        config = json.dumps(read_config(archive.config, archive.version)).encode()
        return MigratedFile(keras_archive.write_archive(replace(archive, config=config)), ".keras", archive.version)
    file = io.BytesIO(content)
    with h5py.File(file, "r+") as h5:
        version = read_version(h5)
        h5.attrs["model_config"] = json.dumps(read_h5_config(h5))
    return MigratedFile(file.getvalue(), ".h5", version)
