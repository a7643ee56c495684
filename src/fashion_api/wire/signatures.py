"""The model as TensorFlow Serving's clients see it: its name, its versions and its signatures, as plain data.

JSON and Protocol Buffers are read and written elsewhere.
"""

import functools
from collections.abc import Generator, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from fashion_api.errors import NotReadyError, UnknownModelError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.pictures.resizing import choose_resize
from fashion_api.service.service import Service
from fashion_api.wire.operation import Step
from fashion_api.wire.sized_images import SizedImages
from fashion_api.wire.tensors import (
    BYTES,
    PROBABILITIES,
    Array,
    OutputSpec,
    PixelRange,
    Tensor,
    compute_output,
    list_outputs,
    list_shapes,
    read_tensor,
)
from fashion_api.wire.validation import wrong

SERVING_DEFAULT: Final = "serving_default"
"""The signature of a request that names none."""
PIXELS: Final = "pixels"
IMAGES: Final = "images"
DETAILS: Final = "details"
SIGNATURES: Final = (SERVING_DEFAULT, PIXELS, IMAGES, DETAILS)

PREDICT_METHOD: Final = "tensorflow/serving/predict"
"""The method that every signature is for."""
STATE: Final = "AVAILABLE"
"""Of the model's one version."""

TENSORFLOW_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FP16": "DT_HALF",
        "BF16": "DT_BFLOAT16",
        "FP32": "DT_FLOAT",
        "FP64": "DT_DOUBLE",
        "INT8": "DT_INT8",
        "INT16": "DT_INT16",
        "INT32": "DT_INT32",
        "INT64": "DT_INT64",
        "UINT8": "DT_UINT8",
        "UINT16": "DT_UINT16",
        "UINT32": "DT_UINT32",
        "UINT64": "DT_UINT64",
        "BOOL": "DT_BOOL",
        BYTES: "DT_STRING",
    }
)
"""TensorFlow's name of each type, by that of the Open Inference Protocol, which `tensors` uses."""


class InputTensor(NamedTuple):
    """The one input of a signature."""

    name: str
    datatype: str
    """The type that metadata name; of numbers, others are read too."""
    shape: tuple[int, ...]
    """-1 for the number of images."""
    pixel_range: PixelRange
    """What black and white are, of numbers."""


class Signature(NamedTuple):
    """A form in which the model takes images, and what it answers."""

    name: str
    input: InputTensor
    outputs: Mapping[str, OutputSpec]
    """By the names that clients call them."""


def check_servable(service: Service, name: str, version: str = "") -> None:
    """Check that a client asks for the model that is served; without a version, it takes any.

    Raises:
        UnknownModelError: no model has this name and version, in the words that health checks compare.
    """
    if not _is_served(service, name, version):
        wanted = f"Specific({name}, {version})" if version else f"Latest({name})"
        raise UnknownModelError(f"Servable not found for request: {wanted}")


def check_status(service: Service, name: str, version: str = "") -> None:
    """Check that the model whose status a client asks for is there, and takes requests.

    Raises:
        UnknownModelError: no model has this name and version.
        NotReadyError: the service is stopping.
    """
    if not _is_served(service, name, version):
        wanted = f"version {version}" if version else "any versions"
        raise UnknownModelError(f"Could not find {wanted} of model {name}")
    if service.is_draining:
        raise NotReadyError("the service is stopping")


def _is_served(service: Service, name: str, version: str) -> bool:
    return name == service.served_name and version in ("", str(service.settings.served_version))


def find_signature(service: Service, name: str = "") -> Signature:
    """Give a signature of the model; without a name, the default one.

    Raises:
        InvalidRequestError: it has none of this name.
    """
    name = name or SERVING_DEFAULT
    if name not in SIGNATURES:
        raise wrong("", f'Serving signature key "{name:.100}" not found; there are {", ".join(SIGNATURES)}')
    settings, model = service.settings, service.model
    return _make_signature(
        name,
        input_name=settings.served_input,
        output_name=settings.served_output,
        default_range=settings.serving_default_range,
        pixel_shape=list_shapes(model.input)[0],
        outputs=tuple(list_outputs(model)),
    )


@functools.lru_cache  # every request asks for one of a few
def _make_signature(  # noqa: PLR0913  # what makes a signature
    name: str,
    *,
    input_name: str,
    output_name: str,
    default_range: PixelRange,
    pixel_shape: tuple[int, ...],
    outputs: tuple[OutputSpec, ...],
) -> Signature:
    datatype, shape = "UINT8", pixel_shape
    pixel_range: PixelRange = "0-255"
    if name == IMAGES:
        datatype, shape = BYTES, (-1,)
    elif name == SERVING_DEFAULT:
        datatype, pixel_range = "FP32", default_range
    named = {output_name if output.key == PROBABILITIES else output.key: output for output in outputs}
    first = {output_name: named[output_name]}
    return Signature(
        name,
        InputTensor(input_name, datatype, shape, pixel_range),
        MappingProxyType(named if name == DETAILS else first),
    )


def name_tensor(signature: Signature, name: str) -> str:
    """Name an input or output as metadata do; the range of pixels is in the name, as TensorFlow has no place for it."""
    given = signature.input
    is_pixels = name == given.name and given.datatype != BYTES
    suffix = f"_from_{given.pixel_range.replace('-', '_to_')}" if is_pixels else ""
    return f"{signature.name}_{name}{suffix}:0"


def check_inputs(signature: Signature, names: Iterable[str]) -> None:
    """Check that a request has the signature's input, and no other.

    Raises:
        InvalidRequestError: it has not; says what it must have.
    """
    wanted, found = signature.input.name, list(names)
    other = next((name for name in found if name != wanted), None)
    if other is not None:
        raise wrong(
            "",
            f"input tensor alias not found in signature: {other:.100}. Inputs expected to be in the set {{{wanted}}}.",
        )
    if len(found) != 1:
        raise wrong("", f"the signature {signature.name} takes one input, {wanted}, but the request has {len(found)}")


def read_input(service: Service, signature: Signature, tensor: Tensor) -> Generator[Step, None, SizedImages]:
    """Read the images of a signature's input, in steps.

    Args:
        service: whose model is asked.
        signature: in which form.
        tensor: the values; errors call them by its name.

    Raises:
        InvalidRequestError: the type, the shape or a value is wrong; says which, and what is accepted.
    """
    wanted = signature.input
    if (tensor.datatype == BYTES) != (wanted.datatype == BYTES):
        given, kind, other = ("numbers", "picture files", PIXELS)
        if tensor.datatype == BYTES:
            given, kind, other = ("picture files", "numbers", IMAGES)
        raise wrong(
            tensor.name,
            f"send {given} to the signature {other}; {signature.name} takes {kind}, of the type "
            f"{TENSORFLOW_TYPES[wanted.datatype]}",
        )
    spec, settings = service.model.input, service.settings
    return (
        yield from read_tensor(
            tensor,
            spec,
            max_images=service.max_images,
            pixel_range=wanted.pixel_range,
            resize=choose_resize(settings, spec),
            advice=_advise(service, wanted.pixel_range),
        )
    )


def _advise(service: Service, pixel_range: PixelRange) -> str:
    """Say how pixels of the other range are sent."""
    if pixel_range == "0-1":
        return f"; the signature {PIXELS} takes pixels from 0 to 255"
    if service.settings.serving_default_range == "0-1":
        return f"; the signature {SERVING_DEFAULT} takes pixels from 0 to 1"
    return ": multiply them by 255"


def choose_outputs(signature: Signature, names: Iterable[str] = ()) -> Mapping[str, OutputSpec]:
    """Choose outputs by their names; without any, all.

    Raises:
        InvalidRequestError: the signature has none of this name, or one is named twice.
    """
    chosen: dict[str, OutputSpec] = {}
    for name in names:
        if name not in signature.outputs:
            expected = f"Outputs expected to be in the set {{{','.join(signature.outputs)}}}."
            raise wrong("", f"output tensor alias not found in signature: {name:.100} {expected}")
        if name in chosen:
            raise wrong("", f"duplicate output tensor alias: {name}")
        chosen[name] = signature.outputs[name]
    return chosen or signature.outputs


def compute_outputs(
    outputs: Mapping[str, OutputSpec], model: LoadedModel, predictions: Predictions
) -> dict[str, Array]:
    """Compute outputs of predictions, as `compute_output` gives each."""
    return {name: compute_output(output.key, model, predictions) for name, output in outputs.items()}
