"""What requests of the Open Inference Protocol mean, whichever carrier they come by: names, parameters and outputs."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.pictures.resizing import choose_resize
from fashion_api.service.service import Service
from fashion_api.wire.operation import Job, ReplyT, Step
from fashion_api.wire.tensors import (
    BYTES,
    NUMBERS,
    PROBABILITIES,
    Array,
    PixelRange,
    Tensor,
    compute_output,
    describe_classes,
    list_outputs,
    pack_bytes,
    read_numbers,
    read_tensor,
)
from fashion_api.wire.validation import name_value, to_whole_number, wrong

Parameters = Mapping[str, object]
"""Values by name: texts, numbers and booleans."""

PIXEL_RANGE: Final = "pixel_range"
CLASSIFICATION: Final = "classification"

_TIMEOUT: Final = "timeout"
_TIMEOUT_UNIT_S: Final = 1e-6
_LONGEST_TIMEOUT: Final = 2**63
_SHARED_MEMORY: Final = "shared_memory_region"
_RESERVED: Final = "triton_"
_RESERVED_AND_KNOWN: Final = "triton_enable_empty_final_response"
"""Says how a stream of several answers to one request ends; here each has one."""
_DATATYPES: Final = (*NUMBERS, BYTES)


def check_parameters(parameters: Parameters) -> None:
    """Check the parameters of a request; those that are unknown are ignored.

    Raises:
        InvalidRequestError: the name of one is reserved.
    """
    for name in parameters:
        if name.startswith(_RESERVED) and name != _RESERVED_AND_KNOWN:
            raise wrong(f"parameters.{name:.100}", f"names that begin with {_RESERVED} are reserved, and not accepted")


def read_timeout_s(parameters: Parameters) -> float:
    """Give the seconds in which a request's caller wants its answer; without end where it does not say, or says 0.

    Raises:
        InvalidRequestError: `timeout` is no number of microseconds.
    """
    given = parameters.get(_TIMEOUT, 0)
    timeout = to_whole_number(given)
    if timeout is None or timeout < 0:
        raise wrong(f"parameters.{_TIMEOUT}", f"must be a whole number of microseconds, not {_name(given)}")
    return min(timeout, _LONGEST_TIMEOUT) * _TIMEOUT_UNIT_S if timeout else math.inf


def read_pixel_range(parameters: Parameters, of_input: Parameters) -> PixelRange:
    """Give the range of pixels: what the input's parameters say, else the request's, else 0 to 255.

    Raises:
        InvalidRequestError: it is none that there is.
    """
    given = of_input.get(PIXEL_RANGE, parameters.get(PIXEL_RANGE, "0-255"))
    if given == "0-255":
        return "0-255"
    if given == "0-1":
        return "0-1"
    raise wrong(f"parameters.{PIXEL_RANGE}", f'must be "0-1" or "0-255", not {_name(given)}')


def read_job(
    service: Service,
    tensor: Tensor,
    write: Callable[[Predictions], ReplyT],
    *,
    pixel_range: PixelRange,
    timeout_s: float,
) -> Job[ReplyT] | Generator[Step, None, Job[ReplyT]]:
    """Read the images of a tensor: numbers at once, picture files in steps.

    Raises:
        InvalidRequestError: the shape or a value is wrong; says which, and what is accepted.
    """
    if tensor.datatype == BYTES:
        return _read_pictures(service, tensor, write, timeout_s)
    images = read_numbers(
        tensor,
        service.model.input,
        max_images=service.max_images,
        pixel_range=pixel_range,
        advice=_advise(pixel_range),
    )
    return Job(images, write, timeout_s)


def _read_pictures(
    service: Service, tensor: Tensor, write: Callable[[Predictions], ReplyT], timeout_s: float
) -> Generator[Step, None, Job[ReplyT]]:
    spec = service.model.input
    resize = choose_resize(service.settings, spec)
    images, _ = yield from read_tensor(tensor, spec, max_images=service.max_images, resize=resize)
    return Job(images, write, timeout_s)


def _advise(pixel_range: PixelRange) -> str:
    """Say how pixels of the other range are sent."""
    if pixel_range == "0-1":
        return f"; send pixels from 0 to 255 without the parameter {PIXEL_RANGE}"
    return f'; declare pixels from 0 to 1 by the parameter {PIXEL_RANGE}: "0-1"'


def check_input(wanted: str, names: Sequence[str]) -> None:
    """Check that a request has the model's input, once, and no other.

    Args:
        wanted: what the model's input is called.
        names: those of the request's inputs.

    Raises:
        InvalidRequestError: it has not.
    """
    if len(names) == 1 and names[0] == wanted:
        return
    if not names:
        raise wrong("inputs", f"is empty; the model has one input, {wanted}")
    for position, name in enumerate(names):
        if name != wanted:
            raise wrong(f"inputs[{position}].name", f"'{name:.100}' is no input of the model; it has one, {wanted}")
    raise wrong("inputs", f"has {wanted} {len(names)} times")


def check_input_form(name: str, datatype: str, of_input: Parameters) -> None:
    """Check the data type of an input, and that its data come with the request.

    Raises:
        InvalidRequestError: the type is none that is read, or the data are in shared memory.
    """
    if datatype not in _DATATYPES:
        raise wrong(name, f"has the data type '{datatype:.100}', but must have one of {', '.join(_DATATYPES)}")
    if _SHARED_MEMORY in of_input:
        raise wrong(name, "is in shared memory, which is not offered: send its data with the request")


class WantedOutput(NamedTuple):
    """An output that a request asks for."""

    name: str
    """What the caller calls it."""
    key: str
    """Which it is, as `tensors.compute_output` has it."""
    classes: int = 0
    """How many of the most probable classes are described; 0: none, the numbers themselves are wanted."""


def name_outputs(service: Service) -> dict[str, str]:
    """Give the key of each output that the model has, by what callers call it; the first are the probabilities."""
    first, *further = list_outputs(service.model)
    return {service.settings.served_output: first.key} | {output.key: output.key for output in further}


def choose_outputs(service: Service, asked: Sequence[tuple[str, Parameters]]) -> list[WantedOutput]:
    """Choose the outputs that a request asks for, by their names and parameters; if it asks for none, the first.

    Raises:
        InvalidRequestError: the model has no such output, or one is asked for twice or in a way that it has not.
    """
    first = service.settings.served_output
    if not asked:
        return [WantedOutput(first, PROBABILITIES)]
    wanted: dict[str, WantedOutput] = {}
    for position, (name, parameters) in enumerate(asked):
        where = f"outputs[{position}]"
        key = PROBABILITIES if name == first else _find_key(service, where, name)
        if name in wanted:
            raise wrong(f"{where}.name", f"{name} is asked for twice")
        if _SHARED_MEMORY in parameters:
            raise wrong(where, "shared memory is not offered: outputs come with the answer")
        wanted[name] = WantedOutput(name, key, _read_classes(where, key, parameters))
    return list(wanted.values())


def _find_key(service: Service, where: str, name: str) -> str:
    keys = name_outputs(service)
    if name not in keys:
        raise wrong(f"{where}.name", f"'{name:.100}' is no output of the model; it has {', '.join(keys)}")
    return keys[name]


def _read_classes(where: str, key: str, parameters: Parameters) -> int:
    if CLASSIFICATION not in parameters:
        return 0
    given = parameters[CLASSIFICATION]
    classes = to_whole_number(given)
    if classes is None or classes < 0:
        raise wrong(f"{where}.parameters.{CLASSIFICATION}", f"must be a number of classes, not {_name(given)}")
    if classes and key != PROBABILITIES:
        raise wrong(f"{where}.parameters.{CLASSIFICATION}", "is for the probabilities only")
    return classes


class OutputTensor(NamedTuple):
    """An output of an answer."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: Array | list[bytes]
    """Numbers or booleans of this shape; of `BYTES`, its elements row by row, texts in UTF-8."""


def compute_outputs(wanted: Sequence[WantedOutput], model: LoadedModel, predictions: Predictions) -> list[OutputTensor]:
    """Compute the outputs that a request asks for."""
    return [_compute(output, model, predictions) for output in wanted]


def _compute(output: WantedOutput, model: LoadedModel, predictions: Predictions) -> OutputTensor:
    if output.classes:
        most = min(output.classes, len(model.labels))
        rows = describe_classes(predictions.probabilities, model.labels, most)
        return OutputTensor(output.name, BYTES, (len(rows), most), [text.encode() for row in rows for text in row])
    values = compute_output(output.key, model, predictions)
    if values.dtype == object:
        return OutputTensor(output.name, BYTES, values.shape, values.tolist())
    return OutputTensor(output.name, _TYPES[values.dtype.kind], values.shape, values)


_TYPES: Final[Mapping[str, str]] = {"f": "FP32", "i": "INT64", "b": "BOOL"}
"""The data types of outputs, by the kind of their arrays."""


_LITTLE_ENDIAN: Final[Mapping[str, np.dtype[Any]]] = {**NUMBERS, "BOOL": np.dtype("?")}
"""How the numbers and booleans of outputs lie in a body."""


def pack_output(output: OutputTensor) -> bytes:
    """Write an output's values as bytes: little-endian numbers, booleans of one byte, `BYTES` with their lengths."""
    if isinstance(output.values, list):
        return pack_bytes(output.values)
    return output.values.astype(_LITTLE_ENDIAN[output.datatype], copy=False).tobytes()


def _name(value: object) -> str:
    return f"'{value:.40}'" if isinstance(value, str) else name_value(value)
