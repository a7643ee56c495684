"""Small models with random weights, and their manifests."""

from pathlib import Path
from typing import Any

from fashion_api.files import sha256_hex
from fashion_api.inference.keras_engine import import_tensorflow
from fashion_api.inference.manifest import InputSpec, Manifest, write_manifest

LABELS = ("a", "b", "c")


def save_model(
    path: Path,
    *,
    shape: tuple[int, ...] = (4, 5, 1),
    outputs: int = 3,
    activation: str = "softmax",
) -> Any:  # noqa: ANN401  # Keras ships no types
    """Save a small Keras model, and give it."""
    import_tensorflow()
    import keras  # noqa: PLC0415  # some tests need none

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(outputs, activation=activation)]
    )
    model.save(path)
    return model


def save_manifest(path: Path, **changes: Any) -> Manifest:  # noqa: ANN401  # a manifest's fields
    """Write a manifest that fits the saved model."""
    fields = {
        "name": "small",
        "sha256": sha256_hex(path.read_bytes()),
        "labels": LABELS,
        "input": InputSpec(height=4, width=5, pixel_range=(0.0, 255.0)),
    } | changes
    manifest = Manifest(**fields)
    write_manifest(path, manifest)
    return manifest
