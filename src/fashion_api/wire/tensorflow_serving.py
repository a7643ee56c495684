"""TensorFlow Serving's REST API, which KServe's first protocol shares: predictions, the model's status and metadata."""

from collections.abc import Generator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import orjson

from fashion_api.errors import ImageError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import read_base64
from fashion_api.service.service import Service
from fashion_api.wire.json_body import JSON, may_hold_booleans, read_json, refuse_mark
from fashion_api.wire.operation import NO_STORE, Job, JobSteps, Operation, Reply, RequestHead, accept_any_type
from fashion_api.wire.signatures import (
    PIXELS,
    PREDICT_METHOD,
    SIGNATURES,
    STATE,
    TENSORFLOW_TYPES,
    Signature,
    check_inputs,
    check_servable,
    check_status,
    compute_outputs,
    find_signature,
    name_tensor,
    read_input,
)
from fashion_api.wire.tensorflow_serving_models import (
    ModelSpec,
    ServingMetadata,
    ServingStatus,
    SignatureDef,
    SignatureMap,
    SignatureMaps,
    TensorDim,
    TensorInfo,
    TensorShape,
    VersionError,
    VersionStatus,
)
from fashion_api.wire.tensors import BYTES, Array, Tensor, flatten, parse_numbers
from fashion_api.wire.validation import name_json_type, wrong

MODEL_VERSION: Final = b"x-model-version"
"""The header with the version of the model as the native API has it: the model may change while it is served."""

_INSTANCES: Final = "instances"
_INPUTS: Final = "inputs"
_BASE64: Final = "b64"
_FLOAT: Final = "FP64"


class _Input(NamedTuple):
    """The values of the one input of a request."""

    name: str
    """What errors call it."""
    rows: Sequence[object]
    """One for each image."""
    is_rows: bool
    """Whether the answer is in rows too, else in columns."""


def _read_prediction(service: Service, head: RequestHead, body: bytes) -> JobSteps:
    check_servable(service, *head.parameters)
    model = service.model
    max_images = service.max_images
    refuse_mark(body)
    document = yield from read_json(body, **_bound_amount(model.input, max_images))
    signature, found = _find_input(service, document, max_images)
    tensor = yield from _read_tensor(signature, found, may_hold_booleans=may_hold_booleans(body))
    images, _ = yield from read_input(service, signature, tensor)

    def write(predictions: Predictions) -> Reply:
        outputs = compute_outputs(signature.outputs, model, predictions)
        answer = _write_rows(outputs) if found.is_rows else _write_columns(outputs)
        headers = (NO_STORE, (MODEL_VERSION, model.version.encode()))
        return Reply(200, JSON, orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY), headers)

    return Job(images, write)


def _bound_amount(spec: InputSpec, max_images: int) -> dict[str, int]:
    """Give the most lists and values of a request: of a grey image, each pixel may be a list."""
    pixels = spec.height * spec.width
    return {
        "max_lists": max_images * (1 + spec.height + pixels),
        "max_values": max_images * pixels * (1 + spec.channels),
    }


def _find_input(service: Service, document: object, max_images: int) -> tuple[Signature, _Input]:
    if not isinstance(document, dict):
        raise wrong("", f"the body must be an object, not {name_json_type(document)}")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise wrong("signature_name", f"must be a string, not {name_json_type(name)}")
    signature = find_signature(service, name)
    given = [key for key in (_INSTANCES, _INPUTS) if key in document]
    if len(given) != 1:
        found = "both are there" if given else "neither is there"
        raise wrong("", f"the body must have one of `{_INSTANCES}` and `{_INPUTS}`, but {found}")
    (key,) = given
    return signature, (_find_rows if key == _INSTANCES else _find_columns)(signature, document[key], max_images)


def _find_rows(signature: Signature, instances: object, max_images: int) -> _Input:
    rows = _check_list(_INSTANCES, instances, max_images)
    if not any(map(_names_inputs, rows)):
        return _Input(_INSTANCES, rows, is_rows=True)
    values: list[object] = []
    for position, row in enumerate(rows):
        if not isinstance(row, dict) or not _names_inputs(row):
            raise wrong(f"{_INSTANCES}[{position}]", "must be an object by input names, as others of the list are")
        check_inputs(signature, row)
        values.append(row[signature.input.name])
    return _Input(signature.input.name, values, is_rows=True)


def _find_columns(signature: Signature, inputs: object, max_images: int) -> _Input:
    if not _names_inputs(inputs):
        return _Input(_INPUTS, _check_list(_INPUTS, inputs, max_images), is_rows=False)
    columns: Mapping[str, object] = dict(inputs)  # type: ignore[call-overload]  # an object
    check_inputs(signature, columns)
    name = signature.input.name
    return _Input(name, _check_list(f"{_INPUTS}.{name}", columns[name], max_images), is_rows=False)


def _check_list(where: str, value: object, max_images: int) -> Sequence[object]:
    if not isinstance(value, list):
        raise wrong(where, f"must be a list, not {name_json_type(value)}")
    if not 1 <= len(value) <= max_images:
        raise wrong(where, f"holds {len(value)} images, but one request may hold 1 to {max_images}")
    return value


def _names_inputs(value: object) -> bool:
    """Whether a value is an object by the names of inputs; else it is the value of one, a picture in base64 too."""
    return isinstance(value, dict) and _BASE64 not in value


def _read_tensor(signature: Signature, found: _Input, *, may_hold_booleans: bool) -> Generator[None, None, Tensor]:
    first = found.rows[0]
    if signature.input.datatype == BYTES or (isinstance(first, dict) and _BASE64 in first):
        return (yield from _read_files(found))
    if isinstance(first, dict):
        other = "a request of the Open Inference Protocol goes to /v2/models/NAME/infer"
        raise wrong(f"{found.name}[0]", f"must be an image as rows of numbers, not an object; {other}")
    takes_whole = signature.input.pixel_range == "0-255"
    return (yield from _read_numbers(found, takes_whole=takes_whole, may_hold_booleans=may_hold_booleans))


def _read_files(found: _Input) -> Generator[None, None, Tensor]:
    contents: list[bytes] = []
    for position, row in enumerate(found.rows):
        value = row[0] if isinstance(row, list) and len(row) == 1 else row
        contents.append(_decode(f"{found.name}[{position}]", value))
        yield None
    return Tensor(found.name, BYTES, (len(contents),), contents)


def _decode(where: str, value: object) -> bytes:
    text = value.get(_BASE64) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(text, str):
        wanted = f'must be {{"{_BASE64}": "…"}} and nothing else, a picture file in base64'
        raise wrong(where, f"{wanted}; the signature {PIXELS} takes numbers")
    try:
        return read_base64(text)
    except ImageError as error:
        raise wrong(where, str(error)) from None


def _read_numbers(found: _Input, *, takes_whole: bool, may_hold_booleans: bool) -> Generator[None, None, Tensor]:
    """Read rows of numbers: as whole numbers, where all of an image are and they may be, else as floats."""
    parts: list[Array] = []
    shape: tuple[int, ...] = ()
    for position, row in enumerate(found.rows):
        where = f"{found.name}[{position}]"
        values, row_shape = flatten(where, row)
        if parts and row_shape != shape:
            raise wrong(where, f"has the shape {list(row_shape)}, but the image before it {list(shape)}")
        shape = row_shape
        datatype = "UINT8" if takes_whole and float not in map(type, values) else _FLOAT
        parts.append(parse_numbers(where, values, datatype, shape, may_hold_booleans=may_hold_booleans))
        yield None
    numbers = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return Tensor(found.name, "UINT8" if numbers.dtype == np.uint8 else _FLOAT, (len(parts), *shape), numbers)


def _write_rows(outputs: Mapping[str, Array]) -> dict[str, object]:
    if len(outputs) == 1:
        return {"predictions": _write_column(*outputs.values())}
    columns = map(_write_column, outputs.values())
    return {"predictions": [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]}


def _write_columns(outputs: Mapping[str, Array]) -> dict[str, object]:
    if len(outputs) == 1:
        return {"outputs": _write_column(*outputs.values())}
    return {"outputs": {name: _write_column(values) for name, values in outputs.items()}}


def _write_column(values: Array) -> Any:  # noqa: ANN401  # an array, or a list of texts
    """Give an output as orjson takes it: float32 are then written as such, with the fewest digits."""
    if values.dtype == object:
        return [text.decode() for text in values]
    return np.ascontiguousarray(values)


def describe_status(service: Service, name: str, version: str = "") -> ServingStatus:
    """Describe the state of a model, for clients of TensorFlow Serving and of KServe.

    Raises:
        UnknownModelError: no model has this name and version.
        NotReadyError: the service is stopping.
    """
    check_status(service, name, version)
    status = VersionStatus(version=str(service.settings.served_version), state=STATE, status=VersionError())
    return ServingStatus(name=name, ready=True, model_version_status=[status])


def describe_metadata(service: Service, name: str, version: str = "") -> ServingMetadata:
    """Describe the signatures of a model.

    Raises:
        UnknownModelError: no model has this name and version.
    """
    check_servable(service, name, version)
    signatures = (find_signature(service, key) for key in SIGNATURES)
    return ServingMetadata(
        model_spec=ModelSpec(name=name, version=str(service.settings.served_version)),
        metadata=SignatureMaps(
            signature_def=SignatureMap(
                signature_def={signature.name: _describe_signature(signature) for signature in signatures}
            )
        ),
    )


def _describe_signature(signature: Signature) -> SignatureDef:
    given = signature.input
    return SignatureDef(
        inputs={given.name: _describe_tensor(signature, given.name, given.datatype, given.shape)},
        outputs={
            name: _describe_tensor(signature, name, output.datatype, output.shape)
            for name, output in signature.outputs.items()
        },
        method_name=PREDICT_METHOD,
    )


def _describe_tensor(signature: Signature, name: str, datatype: str, shape: Sequence[int]) -> TensorInfo:
    dims = [TensorDim(size=str(size)) for size in shape]
    return TensorInfo(
        dtype=TENSORFLOW_TYPES[datatype], tensor_shape=TensorShape(dim=dims), name=name_tensor(signature, name)
    )


PREDICT = Operation("POST", "/v1/models/{name}:predict", _read_prediction, accept_any_type, ignores_case=True)
PREDICT_BY_VERSION = PREDICT._replace(path="/v1/models/{name}/versions/{version}:predict")
