"""What is found in a Keras model's file: who wrote it, what it takes and gives, its cost, and what can serve it.

It runs in a process of its own, as the compiler does, since the file may be hostile.
"""

import io
import json
import logging
import sys
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, Literal

import h5py
from pydantic import Field

from fashion_api.errors import ModelError
from fashion_api.inference.compiler import LIMITS, export
from fashion_api.inference.interpretation import find_shape
from fashion_api.inference.keras_engine import KerasClassifier, load_keras_model
from fashion_api.inference.model_process import begin_step, run_as_child, run_in_child
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.inference.pixel_range import list_layers
from fashion_api.inference.record import Record
from fashion_api.inference.signature import DeclaredSignature, Signature

logger = logging.getLogger(__name__)

_ZIP = b"PK"
_MAX_TEXT = 40  # characters of a version, which is from the file


class Inspection(Record):
    """What is found in a model's file."""

    written_by: str = Field(description="The version of Keras that wrote it, and what that computed with.")
    input_shape: str = Field(description="The network's input, as Keras gives it.")
    output_shape: str = Field(description="The network's outputs, as Keras gives them.")
    layers: int = Field(description="Layers, those of models in it among them.")
    parameters: int = Field(description="Weights.")
    multiply_adds: int | None = Field(description="Multiplications for an image; null where they cannot be counted.")
    signature: Signature | None = Field(description="What it takes and gives as it is served; null where it is not.")
    engine: Literal["onnx", "keras"] | None = Field(description="What serves it; null where nothing does.")
    reason: str = Field(description="Why it is not served, or not by the compiled form; else empty.")


def inspect_in_child(content: bytes, declared: DeclaredSignature) -> Inspection:
    """Inspect a model in a process of its own.

    Raises:
        ModelError: it is hostile, or Keras cannot load it.
    """
    result = run_in_child(__name__, content, declared.model_dump_json(), limits=LIMITS, task="inspecting it")
    return Inspection.model_validate_json(result)


def _inspect_as_child(content: bytes, arguments: Sequence[str]) -> bytes:
    (declared,) = arguments
    begin_step("importing TensorFlow, and reading the model")
    network = load_keras_model(content)
    found = inspect(
        network, DeclaredSignature.model_validate_json(declared), written_by=read_origin(content), tell=begin_step
    )
    return found.model_dump_json().encode()


def inspect(
    network: Any,  # noqa: ANN401  # Keras ships no types
    declared: DeclaredSignature,
    *,
    written_by: str,
    tell: Callable[[str], None] = logger.debug,
) -> Inspection:
    """Inspect a network that is loaded, and try to compile it; `tell` is told each step."""
    signature: Signature | None = None
    engine: Literal["onnx", "keras"] | None = None
    reason = ""
    try:
        reference = KerasClassifier(network, declared)
        signature, engine = reference.signature, "keras"
        export(network, reference, 1.0, tell=tell)
        engine = "onnx"
    except ModelError as error:
        reason = str(error)
    return Inspection(
        written_by=written_by,
        input_shape=_show_shapes(network.inputs),
        output_shape=_show_shapes(network.outputs),
        layers=sum(1 for _ in list_layers(network)),
        parameters=network.count_params(),
        multiply_adds=None if signature is None else _count(network, signature),
        signature=signature,
        engine=engine,
        reason=reason,
    )


def _count(network: Any, signature: Signature) -> int | None:  # noqa: ANN401  # Keras ships no types
    shape = find_shape(signature.input, signature.layout, network.inputs[0].shape[1:])
    try:
        return count_multiply_adds(network, shape)
    except (AttributeError, TypeError, ValueError):  # Keras gives no output of a layer that is used several times
        return None


def _show_shapes(tensors: Sequence[Any]) -> str:
    return ", ".join(str(tuple(tensor.shape)) for tensor in tensors)[:100]


def read_origin(content: bytes) -> str:
    """Name the version of Keras that wrote a `.h5` or a `.keras` that has been checked, and what it computed with."""
    if content.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            written = json.loads(archive.read("metadata.json"))
    else:
        with h5py.File(io.BytesIO(content)) as file:
            written = {name: _decode(file.attrs.get(name, "")) for name in ("keras_version", "backend")}
    version, backend = (str(written.get(name, ""))[:_MAX_TEXT] for name in ("keras_version", "backend"))
    if not version:
        return "an unknown version of Keras"
    return f"Keras {version}" + (f", with {backend}" if backend else "")


def _decode(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


if __name__ == "__main__":
    sys.exit(run_as_child(_inspect_as_child))
