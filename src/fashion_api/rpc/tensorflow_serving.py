"""TensorFlow Serving over gRPC: `PredictionService` and `ModelService`."""

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from fashion_api.inference.classifier import Predictions
from fashion_api.rpc.calls import Call, infer, list_methods
from fashion_api.rpc.messages import tensorflow_pb2 as tf
from fashion_api.rpc.messages import tensorflow_serving_pb2 as pb
from fashion_api.service.service import Service
from fashion_api.wire.operation import Job, Step
from fashion_api.wire.signatures import (
    PREDICT_METHOD,
    SIGNATURES,
    STATE,
    TENSORFLOW_TYPES,
    Signature,
    check_inputs,
    check_servable,
    check_status,
    choose_outputs,
    compute_outputs,
    find_signature,
    name_tensor,
    read_input,
)
from fashion_api.wire.tensors import BYTES, Array, Tensor, count_elements, parse_numbers, unpack_numbers
from fashion_api.wire.validation import wrong

PREDICTION_SERVICE: Final = pb.DESCRIPTOR.services_by_name["PredictionService"]
MODEL_SERVICE: Final = pb.DESCRIPTOR.services_by_name["ModelService"]

_METADATA: Final = "signature_def"
_CONTENT: Final = "tensor_content"
_FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "FP16": "half_val",
        "BF16": "half_val",
        "FP32": "float_val",
        "FP64": "double_val",
        "INT8": "int_val",
        "INT16": "int_val",
        "INT32": "int_val",
        "INT64": "int64_val",
        "UINT8": "int_val",
        "UINT16": "int_val",
        "UINT32": "uint32_val",
        "UINT64": "uint64_val",
        BYTES: "string_val",
    }
)
"""The field that has the elements of each type."""
_DATATYPES: Final[Mapping[int, str]] = MappingProxyType(
    {tf.DataType.Value(TENSORFLOW_TYPES[datatype]): datatype for datatype in _FIELDS}
)
_ATTRIBUTES: Final = ("dtype", "tensor_shape", "version_number")
_HALF: Final = ("FP16", "BF16")


async def _predict(call: Call, request: pb.PredictRequest) -> pb.PredictResponse:
    return await infer(call, _read_prediction(call.service, request))


def _read_prediction(service: Service, request: pb.PredictRequest) -> Generator[Step, None, Job[pb.PredictResponse]]:
    """Read a request, in steps.

    Raises:
        UnknownModelError: no model has this name and version.
        InvalidRequestError: something in it is wrong; says what, and what is accepted.
    """
    check_servable(service, *_read_spec(request))
    signature = find_signature(service, request.model_spec.signature_name)
    check_inputs(signature, request.inputs)
    wanted = choose_outputs(signature, request.output_filter)
    tensor = _read_tensor(service, signature.input.name, request.inputs[signature.input.name])
    images, _ = yield from read_input(service, signature, tensor)

    def write(predictions: Predictions) -> pb.PredictResponse:
        outputs = {
            name: _write_tensor(wanted[name].datatype, values)
            for name, values in compute_outputs(wanted, service.model, predictions).items()
        }
        return pb.PredictResponse(model_spec=_write_spec(service, signature.name), outputs=outputs)

    return Job(images, write)


async def _describe_model(call: Call, request: pb.GetModelMetadataRequest) -> pb.GetModelMetadataResponse:
    service = call.service
    check_servable(service, *_read_spec(request))
    if not request.metadata_field:
        raise wrong("metadata_field", f"is empty; {_METADATA} is all that there is")
    for field in request.metadata_field:
        if field != _METADATA:
            raise wrong("metadata_field", f"Metadata field {field:.100} is not supported; {_METADATA} is")
    signatures = (find_signature(service, name) for name in SIGNATURES)
    found = pb.SignatureDefMap(signature_def={signature.name: _describe(signature) for signature in signatures})
    answer = pb.GetModelMetadataResponse(model_spec=_write_spec(service))
    answer.metadata[_METADATA].Pack(found)
    return answer


def _describe(signature: Signature) -> tf.SignatureDef:
    given = signature.input
    return tf.SignatureDef(
        inputs={given.name: _describe_tensor(signature, given.name, given.datatype, given.shape)},
        outputs={
            name: _describe_tensor(signature, name, output.datatype, output.shape)
            for name, output in signature.outputs.items()
        },
        method_name=PREDICT_METHOD,
    )


def _describe_tensor(signature: Signature, name: str, datatype: str, shape: tuple[int, ...]) -> tf.TensorInfo:
    return tf.TensorInfo(
        name=name_tensor(signature, name),
        dtype=TENSORFLOW_TYPES[datatype],
        tensor_shape=_write_shape(shape),
    )


async def _give_status(call: Call, request: pb.GetModelStatusRequest) -> pb.GetModelStatusResponse:
    service = call.service
    check_status(service, *_read_spec(request))
    status = pb.ModelVersionStatus(
        version=service.settings.served_version,
        state=STATE,
        status=pb.StatusProto(error_code=pb.OK),
    )
    return pb.GetModelStatusResponse(model_version_status=[status])


def _read_spec(
    request: pb.PredictRequest | pb.GetModelMetadataRequest | pb.GetModelStatusRequest,
) -> tuple[str, str]:
    """Give the name and the version of the model that is asked for; the latter is empty for any."""
    if not request.HasField("model_spec"):
        raise wrong("", "Missing ModelSpec")
    spec = request.model_spec
    if spec.HasField("version_label"):
        raise wrong("model_spec.version_label", "the version has no labels; ask for it by its number, or for any")
    return spec.name, str(spec.version.value) if spec.HasField("version") else ""


def _write_spec(service: Service, signature_name: str = "") -> pb.ModelSpec:
    spec = pb.ModelSpec(name=service.served_name, signature_name=signature_name)
    spec.version.value = service.settings.served_version
    return spec


def _read_tensor(service: Service, name: str, given: tf.TensorProto) -> Tensor:
    datatype = _DATATYPES.get(given.dtype)
    if datatype is None:
        types = ", ".join(TENSORFLOW_TYPES[each] for each in _FIELDS)
        raise wrong(name, f"has the data type {_name_type(given.dtype)}, but must have one of {types}")
    if given.tensor_shape.unknown_rank:
        raise wrong(name, "has no shape")
    shape = tuple(dim.size for dim in given.tensor_shape.dim)
    spec = service.model.input
    size = count_elements(name, datatype, shape, spec, max_images=service.max_images)
    return Tensor(name, datatype, shape, _read_values(name, datatype, given, shape, size=size))


def _name_type(dtype: int) -> str:
    return tf.DataType.Name(dtype) if dtype in tf.DataType.values() else str(dtype)


def _read_values(
    name: str, datatype: str, given: tf.TensorProto, shape: tuple[int, ...], *, size: int
) -> Array | list[bytes]:
    """Read the values of a tensor; where it has fewer than its shape means, the last one is repeated."""
    found: dict[str, Any] = {field.name: value for field, value in given.ListFields() if field.name not in _ATTRIBUTES}
    wanted = _FIELDS[datatype]
    accepted = (wanted,) if datatype == BYTES else (_CONTENT, wanted)
    for field in found:
        if field not in accepted:
            raise wrong(name, f"has values in `{field}`, but of {TENSORFLOW_TYPES[datatype]} they are in `{wanted}`")
    if len(found) != 1:
        has = "both of" if found else "none of"
        raise wrong(name, f"must have its values in one of {' and '.join(accepted)}, but has {has} them")
    if _CONTENT in found:
        return unpack_numbers(name, found[_CONTENT], datatype)
    missing = size - len(found[wanted])
    if missing < 0:
        raise wrong(name, f"has {len(found[wanted])} values, but its shape means {size}")
    values = list(found[wanted])
    if datatype == BYTES:
        return [*values, *[values[-1]] * missing]
    numbers = _parse_numbers(name, values, datatype, () if missing else shape)
    return np.concatenate([numbers, np.full(missing, numbers[-1])]) if missing else numbers


def _parse_numbers(name: str, values: list[Any], datatype: str, shape: tuple[int, ...]) -> Array:
    if datatype in _HALF:  # whole numbers, which are the bits of floats
        return unpack_numbers(name, parse_numbers(name, values, "UINT16", shape).tobytes(), datatype)
    return parse_numbers(name, values, datatype, shape)


def _write_tensor(datatype: str, values: Array) -> tf.TensorProto:
    tensor = tf.TensorProto(dtype=TENSORFLOW_TYPES[datatype], tensor_shape=_write_shape(values.shape))
    field = "bool_val" if datatype == "BOOL" else _FIELDS[datatype]
    getattr(tensor, field).extend(values.ravel().tolist())
    return tensor


def _write_shape(shape: tuple[int, ...]) -> tf.TensorShapeProto:
    return tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in shape])


METHODS: Final = (
    *list_methods(PREDICTION_SERVICE, {"Predict": _predict, "GetModelMetadata": _describe_model}),
    *list_methods(MODEL_SERVICE, {"GetModelStatus": _give_status}),
)
