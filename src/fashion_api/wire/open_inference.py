"""Inference by the Open Inference Protocol over REST, with its extensions for binary tensors and classification.

A request is JSON, or JSON and behind it the binary data of its tensors; `Inference-Header-Content-Length` then has the
JSON's length. Answers have the same two forms.
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

import functools
import math
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
import orjson

from fashion_api.errors import ImageError, InvalidRequestError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import read_base64
from fashion_api.service.service import Service
from fashion_api.wire.inference_terms import (
    OutputTensor,
    Parameters,
    WantedOutput,
    check_input,
    check_input_form,
    check_parameters,
    choose_outputs,
    compute_outputs,
    pack_output,
    read_job,
    read_pixel_range,
    read_timeout_s,
)
from fashion_api.wire.json_body import JSON, UNCOUNTED_BYTES, may_hold_booleans, parse_json, read_json, refuse_mark
from fashion_api.wire.operation import NO_STORE, Job, JobSteps, Operation, Reply, RequestHead, accept_any_type
from fashion_api.wire.served_model import DATATYPE
from fashion_api.wire.tensors import (
    BYTES,
    PixelRange,
    Tensor,
    count_elements,
    flatten,
    list_shapes,
    parse_numbers,
    read_numbers,
    unpack_bytes,
    unpack_numbers,
)
from fashion_api.wire.validation import name_json_type, name_value, to_whole_number, wrong

BINARY: Final = "application/octet-stream"
"""The media type of an answer with binary data."""
HEADER_LENGTH: Final = "Inference-Header-Content-Length"
"""The header with the length of the JSON before binary data."""
LEAST_PACKED_BYTES: Final = 1024
"""Answers of this size and more are compressed, where the caller reads that."""

_HEADER_LENGTH: Final = HEADER_LENGTH.lower().encode()
_LENGTH_DIGITS = 18
_BINARY_SIZE: Final = "binary_data_size"
_BINARY_DATA: Final = "binary_data"
_BINARY_OUTPUT: Final = "binary_data_output"
_IN_BINARY_ONLY: Final = ("FP16", "BF16")
_CODING = re.compile(r"\s*(gzip|x-gzip|deflate)\s*(?:;\s*q\s*=\s*([0-9.]+)\s*)?", re.IGNORECASE)
_LEVEL: Final = 1
_GZIP_WBITS, _ZLIB_WBITS = 31, 15
_KEPT_BYTES: Final = 1024
"""JSON up to this size is kept with what was read in it."""


class _Asked(NamedTuple):
    """What the JSON of a request says."""

    request_id: str
    timeout_s: float
    outputs: Sequence[tuple[str, Parameters]]
    are_binary: Sequence[bool]
    """Whether each output is sent as binary data; where none is named, the only one."""
    name: str
    """The input's name; what follows is the input's, too."""
    datatype: str
    shape: list[int]
    pixel_range: PixelRange
    binary_size: object
    """Bytes of its binary data; `None` where it has none."""
    data: object


def _infer(service: Service, head: RequestHead, body: bytes) -> Job[Reply] | JobSteps:
    service.check_served(*head.parameters)
    length, accept_encoding = _read_fields(head)
    if length == 0:
        return _read_raw(service, accept_encoding, body)
    if length is None:
        text, rest = body, memoryview(b"")
    elif length > len(body):
        raise wrong("", f"{HEADER_LENGTH} says {length} bytes of JSON, but the body has {len(body)}")
    else:
        text, rest = body[:length], memoryview(body)[length:]
    if len(text) > UNCOUNTED_BYTES:
        return _read_large(service, accept_encoding, text, rest)
    read = _read_text_again if len(text) <= _KEPT_BYTES and length is not None else _read_text
    asked = read(text, service.settings.served_input, is_all=length is None)
    return _read_asked(service, accept_encoding, asked, text, rest)


def _read_fields(head: RequestHead) -> tuple[int | None, str]:
    """Give the bytes of JSON before binary data, `None` where all is JSON; and which codings the caller accepts."""
    length: int | None = None
    accept_encoding = ""
    for name, value in head.headers:
        if name == _HEADER_LENGTH:
            if length is not None:
                raise wrong("", f"{HEADER_LENGTH} is there twice")
            digits = value.strip()
            if not digits.isdigit() or len(digits) > _LENGTH_DIGITS:
                raise wrong("", f"{HEADER_LENGTH} must be a number of bytes, not '{value.decode('latin-1'):.40}'")
            length = int(digits)
        elif name == b"accept-encoding":
            accept_encoding = f"{accept_encoding},{value.decode('latin-1')}"
    return length, accept_encoding


def _read_text(text: bytes, served_input: str, *, is_all: bool) -> _Asked:
    refuse_mark(text)
    try:
        document = parse_json(text)
    except InvalidRequestError as error:
        if is_all and _BINARY_SIZE.encode() in text:
            raise wrong("", f"{error}; before binary data, {HEADER_LENGTH} must say how long the JSON is") from None
        raise
    return _read_document(document, served_input)


_read_text_again = functools.lru_cache(maxsize=256)(_read_text)
"""For JSON before binary data: one caller's is the same in all of its requests, as a rule."""


def _read_raw(service: Service, accept_encoding: str, body: bytes) -> Job[Reply]:
    """Read a body that is the pixels of one image, as they are."""
    spec = service.model.input
    shape = (1, *list_shapes(spec)[0][1:])
    values = np.frombuffer(body, np.uint8)
    images = read_numbers(Tensor(service.settings.served_input, DATATYPE, shape, values), spec, max_images=1)
    return Job(images, _make_writer(service, accept_encoding, choose_outputs(service, ()), are_binary=(True,)))


def _read_large(service: Service, accept_encoding: str, text: bytes, rest: memoryview) -> JobSteps:
    """Read a request whose JSON is large, in steps."""
    spec = service.model.input
    most = service.max_images
    pixels = spec.height * spec.width
    lists = most * (pixels + spec.height + 1)  # one around each pixel too
    refuse_mark(text)
    document = yield from read_json(text, max_lists=lists, max_values=lists + most * pixels * spec.channels)
    asked = _read_document(document, service.settings.served_input)
    found = _read_asked(service, accept_encoding, asked, text, rest)
    return found if isinstance(found, Job) else (yield from found)


def _read_document(document: object, served_input: str) -> _Asked:
    request = _check_object("", document)
    request_id = request.get("id", "")
    if not isinstance(request_id, str):
        raise wrong("id", f"must be a string, not {name_json_type(request_id)}")
    parameters = _read_parameters("", request)
    check_parameters(parameters)
    timeout_s = read_timeout_s(parameters)
    outputs, are_binary = _read_outputs(request, parameters)
    given = _read_input(request, served_input)
    of_input = _read_parameters("inputs[0].", given)
    datatype = _read_string("inputs[0]", given, "datatype")
    check_input_form(served_input, datatype, of_input)
    if given.get("data", ()) is None:
        raise wrong("inputs[0].data", "must be a list, not null")
    return _Asked(
        request_id,
        timeout_s,
        outputs,
        are_binary,
        served_input,
        datatype,
        _read_shape(given),
        read_pixel_range(parameters, of_input),
        of_input.get(_BINARY_SIZE),
        given.get("data"),
    )


def _read_asked(
    service: Service, accept_encoding: str, asked: _Asked, text: bytes, rest: memoryview
) -> Job[Reply] | JobSteps:
    """Read the values of what is asked for in `text`, the JSON; `rest` is the binary data behind it."""
    wanted = choose_outputs(service, asked.outputs)
    write = _make_writer(service, accept_encoding, wanted, are_binary=asked.are_binary, request_id=asked.request_id)
    values = _read_values(asked, text, rest, service.model.input, most=service.max_images)
    tensor = Tensor(asked.name, asked.datatype, asked.shape, values)
    return read_job(service, tensor, write, pixel_range=asked.pixel_range, timeout_s=asked.timeout_s)


def _check_object(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise wrong(where, f"{'' if where else 'the body '}must be an object, not {name_json_type(value)}")
    return value


def _read_list(request: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Give the objects of a list; it may be missing."""
    found = request.get(name, [])
    if not isinstance(found, list):
        raise wrong(name, f"must be a list, not {name_json_type(found)}")
    return [_check_object(f"{name}[{position}]", item) for position, item in enumerate(found)]


def _read_parameters(where: str, owner: dict[str, Any]) -> Parameters:
    if "parameters" not in owner:
        return {}
    parameters = owner["parameters"]
    place = f"{where}parameters"
    for name, value in _check_object(place, parameters).items():
        if not isinstance(value, (str, int, float)):  # booleans are whole numbers to Python
            raise wrong(f"{place}.{name:.100}", f"must be a string, a number or a boolean, not {name_json_type(value)}")
    return cast("Parameters", parameters)


def _read_string(where: str, owner: dict[str, Any], name: str) -> str:
    if name not in owner:
        raise wrong(f"{where}.{name}", "is missing")
    value = owner[name]
    if not isinstance(value, str):
        raise wrong(f"{where}.{name}", f"must be a string, not {name_json_type(value)}")
    return value


def _read_outputs(request: dict[str, Any], parameters: Parameters) -> tuple[list[tuple[str, Parameters]], list[bool]]:
    """Read the names and parameters of the outputs that are asked for, and whether each is sent as binary data."""
    are_binary = _read_boolean("parameters", parameters, _BINARY_OUTPUT, default=False)
    outputs = _read_list(request, "outputs")
    if not outputs:
        return [], [are_binary]
    asked: list[tuple[str, Parameters]] = []
    forms: list[bool] = []
    for position, output in enumerate(outputs):
        where = f"outputs[{position}]"
        of_output = _read_parameters(f"{where}.", output)
        asked.append((_read_string(where, output, "name"), of_output))
        forms.append(_read_boolean(f"{where}.parameters", of_output, _BINARY_DATA, default=are_binary))
    return asked, forms


def _read_boolean(where: str, parameters: Parameters, name: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise wrong(f"{where}.{name}", f"must be a boolean, not {name_json_type(value)}")
    return value


def _read_input(request: dict[str, Any], served_input: str) -> dict[str, Any]:
    """Give the one input."""
    if "inputs" not in request:
        raise wrong("inputs", f"is missing; the model has one input, {served_input}")
    inputs = _read_list(request, "inputs")
    check_input(
        served_input, [_read_string(f"inputs[{position}]", item, "name") for position, item in enumerate(inputs)]
    )
    return inputs[0]


def _read_values(asked: _Asked, text: bytes, rest: memoryview, spec: InputSpec, *, most: int) -> Any:  # noqa: ANN401  # as in `Tensor`
    name, datatype = asked.name, asked.datatype
    if asked.binary_size is None:
        if len(rest):
            raise wrong("", f"the body goes on for {len(rest)} bytes after its JSON, but no input has a {_BINARY_SIZE}")
        if asked.data is None:
            raise wrong(name, f"has no data: `data`, or the parameter {_BINARY_SIZE}, is needed")
        return _read_data(spec, name, datatype, asked.data, may_hold_booleans=may_hold_booleans(text))
    if asked.data is not None:
        raise wrong(name, f"has both `data` and the parameter {_BINARY_SIZE}")
    content = _check_binary(name, asked.binary_size, rest)
    if datatype == BYTES:
        return unpack_bytes(name, content, most=count_elements(name, datatype, asked.shape, spec, max_images=most))
    return unpack_numbers(name, content, datatype)


def _read_shape(given: dict[str, Any]) -> list[int]:
    where = "inputs[0].shape"
    if "shape" not in given:
        raise wrong(where, "is missing")
    shape = given["shape"]
    if not isinstance(shape, list):
        raise wrong(where, f"must be a list, not {name_json_type(shape)}")
    if set(map(type, shape)) == {int}:
        return shape
    lengths = list(map(to_whole_number, shape))
    if None in lengths:
        raise wrong(where, f"must have whole numbers, not {name_value(shape[lengths.index(None)])}")
    return cast("list[int]", lengths)


def _read_data(spec: InputSpec, name: str, datatype: str, data: object, *, may_hold_booleans: bool) -> Any:  # noqa: ANN401  # as in `Tensor`
    if datatype in _IN_BINARY_ONLY:
        raise wrong(name, f"has the data type {datatype}, which is read as binary data only")
    values, _ = flatten(name, data)
    if datatype == BYTES:
        return _read_pictures(name, values)
    shape = (len(values) // math.prod(spec.shape), *spec.shape)
    return parse_numbers(name, values, datatype, shape, may_hold_booleans=may_hold_booleans)


def _read_pictures(name: str, values: Sequence[object]) -> list[bytes]:
    contents: list[bytes] = []
    for position, value in enumerate(values):
        where = f"{name}[{position}]"
        if not isinstance(value, str):
            raise wrong(where, f"must be a picture file in base64, not {name_json_type(value)}")
        try:
            contents.append(read_base64(value))
        except ImageError as error:
            raise wrong(where, str(error)) from None
    return contents


def _check_binary(name: str, given: object, rest: memoryview) -> memoryview:
    where = f"{name}.parameters.{_BINARY_SIZE}"
    size = to_whole_number(given)
    if size is None or size < 0:
        raise wrong(where, f"must be a number of bytes, not {name_value(given)}")
    if size != len(rest):
        raise wrong(where, f"says {name_value(size)} bytes, but {len(rest)} come after the JSON")
    return rest


def _make_writer(
    service: Service,
    accept_encoding: str,
    wanted: Sequence[WantedOutput],
    *,
    are_binary: Sequence[bool],
    request_id: str = "",
) -> Callable[[Predictions], Reply]:
    model, name, version = service.model, service.served_name, str(service.settings.served_version)
    digest = (b"x-model-version", model.version.encode())

    def write(predictions: Predictions) -> Reply:
        outputs = compute_outputs(wanted, model, predictions)
        described: list[dict[str, object]] = []
        parts = [b""]
        for output, is_binary in zip(outputs, are_binary, strict=True):
            form: dict[str, object] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
            if is_binary:
                part = pack_output(output)
                parts.append(part)
                form["parameters"] = {_BINARY_SIZE: len(part)}
            else:
                form["data"] = _list_data(output)
            described.append(form)
        document = {
            **({"id": request_id} if request_id else {}),
            "model_name": name,
            "model_version": version,
            "parameters": {"digest": model.version},
            "outputs": described,
        }
        parts[0] = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
        headers = [NO_STORE, digest]
        media_type = JSON
        if len(parts) > 1:
            media_type = BINARY
            headers.append((_HEADER_LENGTH, b"%d" % len(parts[0])))
        return _pack(Reply(200, media_type, b"".join(parts), tuple(headers)), accept_encoding)

    return write


def _list_data(output: OutputTensor) -> object:
    values = output.values
    return [text.decode() for text in values] if isinstance(values, list) else values.ravel()


def _pack(reply: Reply, accept_encoding: str) -> Reply:
    """Compress the body of an answer, where that is worth it and its caller can read it."""
    if len(reply.body) < LEAST_PACKED_BYTES:
        return reply
    headers = (*reply.headers, (b"vary", b"accept-encoding"))
    coding = choose_coding(accept_encoding)
    if not coding:
        return reply._replace(headers=headers)
    body = zlib.compress(reply.body, _LEVEL, wbits=_GZIP_WBITS if coding == "gzip" else _ZLIB_WBITS)
    return reply._replace(body=body, headers=(*headers, (b"content-encoding", coding.encode())))


def choose_coding(accept_encoding: str) -> str:
    """Choose how an answer is compressed: gzip or deflate, whichever the caller prefers; empty for neither.

    Only what the header names is taken, `*` is not: a client may announce what it cannot read.
    """
    best, weight = "", 0.0
    for item in accept_encoding.split(","):
        found = _CODING.fullmatch(item)
        if found is None:
            continue
        try:
            given = float(found[2] or 1)
        except ValueError:  # two points
            continue
        if given > weight:
            best, weight = found[1].lower().removeprefix("x-"), given
    return best


INFER = Operation("POST", "/v2/models/{name}/infer", _infer, accept_any_type)
INFER_VERSION = INFER._replace(path="/v2/models/{name}/versions/{version}/infer")
