"""The Open Inference Protocol over gRPC, `inference.GRPCInferenceService`, with the extensions of Triton's servers."""

import functools
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from google.protobuf.message import Message

from fashion_api.errors import FashionError, NotReadyError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.rpc.calls import Answer, Call, InStream, Openly, infer, list_methods
from fashion_api.rpc.messages import open_inference_pb2 as pb
from fashion_api.rpc.statuses import UnsupportedCallError
from fashion_api.service.following import ModelFollower
from fashion_api.service.service import Service
from fashion_api.service.statistics import Total
from fashion_api.wire import served_model
from fashion_api.wire.inference_terms import (
    Parameters,
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
from fashion_api.wire.operation import Job, Step
from fashion_api.wire.tensors import (
    BYTES,
    PixelRange,
    Tensor,
    check_size,
    count_elements,
    parse_numbers,
    unpack_bytes,
    unpack_numbers,
)
from fashion_api.wire.validation import wrong

_KEPT_BYTES: Final = 1024
"""A request up to this size, without its data, is kept with what was read in it."""
SERVICE: Final = pb.DESCRIPTOR.services_by_name["GRPCInferenceService"]

_CONTENTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "UINT8": "uint_contents",
        "UINT16": "uint_contents",
        "UINT32": "uint_contents",
        "UINT64": "uint64_contents",
        "INT8": "int_contents",
        "INT16": "int_contents",
        "INT32": "int_contents",
        "INT64": "int64_contents",
        "FP32": "fp32_contents",
        "FP64": "fp64_contents",
        BYTES: "bytes_contents",
    }
)
"""The field that has the elements of each type; those of all others come as bytes only."""
_FINAL: Final = "triton_final_response"


async def _answer_server_live(
    _: ModelFollower, requests: AsyncIterator[pb.ServerLiveRequest]
) -> AsyncIterator[pb.ServerLiveResponse]:
    async for _request in requests:
        yield pb.ServerLiveResponse(live=True)
        return


async def _answer_server_ready(
    follower: ModelFollower, requests: AsyncIterator[pb.ServerReadyRequest]
) -> AsyncIterator[pb.ServerReadyResponse]:
    async for _request in requests:
        yield pb.ServerReadyResponse(ready=not follower.service.is_draining)
        return


async def _answer_model_ready(call: Call, request: pb.ModelReadyRequest) -> pb.ModelReadyResponse:
    try:
        call.service.check_served(request.name, request.version)
        served_model.check_ready(call.service)
    except FashionError:
        return pb.ModelReadyResponse(ready=False)
    return pb.ModelReadyResponse(ready=True)


async def _describe_server(_call: Call, _request: pb.ServerMetadataRequest) -> pb.ServerMetadataResponse:
    return pb.ServerMetadataResponse(
        name=served_model.SERVER_NAME,
        version=served_model.find_server_version(),
        extensions=served_model.EXTENSIONS,
    )


async def _describe_model(call: Call, request: pb.ModelMetadataRequest) -> pb.ModelMetadataResponse:
    call.service.check_served(request.name, request.version)
    model = served_model.describe_model(call.service)
    inputs, outputs = (
        [pb.ModelMetadataResponse.TensorMetadata(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)]
        for tensor in (model.input, model.output)
    )
    return pb.ModelMetadataResponse(
        name=model.name,
        versions=[model.version],
        platform=served_model.PLATFORM,
        inputs=inputs,
        outputs=outputs,
    )


async def _describe_config(call: Call, request: pb.ModelConfigRequest) -> pb.ModelConfigResponse:
    call.service.check_served(request.name, request.version)
    config = served_model.describe_config(call.service)
    image, probabilities = config.input, config.output
    return pb.ModelConfigResponse(
        config=pb.ModelConfig(
            name=config.name,
            platform=served_model.PLATFORM,
            max_batch_size=config.max_batch_size,
            input=[
                pb.ModelInput(
                    name=image.name, data_type=f"TYPE_{image.datatype}", format="FORMAT_NHWC", dims=image.shape
                )
            ],
            output=[
                pb.ModelOutput(
                    name=probabilities.name, data_type=f"TYPE_{probabilities.datatype}", dims=probabilities.shape
                )
            ],
            dynamic_batching=pb.ModelDynamicBatching(preferred_batch_size=[config.preferred_batch_size]),
            parameters={name: pb.ModelParameter(string_value=value) for name, value in config.parameters.items()},
        )
    )


async def _give_statistics(call: Call, request: pb.ModelStatisticsRequest) -> pb.ModelStatisticsResponse:
    service = call.service
    if request.name:
        service.check_served(request.name, request.version)
    found = served_model.read_statistics(service)
    nothing = pb.StatisticDuration()
    model = pb.ModelStatistics(
        name=service.served_name,
        version=str(service.settings.served_version),
        last_inference=int(found.last_batch_at_s * 1000),
        inference_count=found.images,
        execution_count=found.batches,
        inference_stats=pb.InferStatistics(
            success=_measure(found.answered),
            fail=_measure(found.failed),
            queue=_measure(found.queued),
            compute_input=_measure(found.decoded),
            compute_infer=_measure(found.computed),
            compute_output=_measure(found.encoded),
            cache_hit=nothing,
            cache_miss=nothing,
        ),
        batch_stats=[
            pb.InferBatchStatistics(
                batch_size=size, compute_input=nothing, compute_infer=_measure(total), compute_output=nothing
            )
            for size, total in sorted(found.by_batch_size.items())
        ],
    )
    return pb.ModelStatisticsResponse(model_stats=[model])


def _measure(total: Total) -> pb.StatisticDuration:
    return pb.StatisticDuration(count=total.count, ns=total.nanoseconds)


async def _list_models(call: Call, _request: pb.RepositoryIndexRequest) -> pb.RepositoryIndexResponse:
    service = call.service
    model = pb.RepositoryIndexResponse.ModelIndex(
        name=service.served_name, version=str(service.settings.served_version), state=served_model.STATE
    )
    return pb.RepositoryIndexResponse(models=[model])


async def _refuse_control(_call: Call, _request: object) -> pb.RepositoryModelLoadResponse:
    raise NotReadyError(served_model.NO_CONTROL)


async def _refuse_region(_call: Call, _request: object) -> pb.SystemSharedMemoryRegisterResponse:
    raise UnsupportedCallError(served_model.NO_SHARED_MEMORY)


def _answer_always(answer: Message) -> Answer:
    """Answer every request alike: there are no regions."""

    async def give(_call: Call, _request: object) -> Message:
        return answer

    return give


async def _give_trace_settings(call: Call, request: pb.TraceSettingRequest) -> pb.TraceSettingResponse:
    if request.model_name:
        call.service.check_served(request.model_name)
    response = pb.TraceSettingResponse()
    for name, value in served_model.describe_trace_settings(call.service).items():
        response.settings[name].value.extend([value] if isinstance(value, str) else value)
    _refuse_changes(request.settings, response.settings)
    return response


async def _give_log_settings(call: Call, request: pb.LogSettingsRequest) -> pb.LogSettingsResponse:
    response = pb.LogSettingsResponse()
    for name, value in served_model.describe_log_settings(call.service).items():
        setting = response.settings[name]
        if isinstance(value, bool):
            setting.bool_param = value
        elif isinstance(value, int):
            setting.uint32_param = value
        else:
            setting.string_param = value
    _refuse_changes(request.settings, response.settings)
    return response


def _refuse_changes(asked: Mapping[str, Message], settings: Mapping[str, Message]) -> None:
    """Check that a request to set some settings changes none of them.

    Raises:
        InvalidRequestError: it would change one, or there is no such setting.
    """
    for name, value in asked.items():
        if name not in settings:
            raise wrong(f"settings.{name:.100}", f"is no setting; there are {', '.join(sorted(settings))}")
        if value.SerializeToString() != settings[name].SerializeToString():
            raise wrong(f"settings.{name}", "cannot be changed by a request: who runs the service sets it")


async def _infer(call: Call, request: pb.ModelInferRequest) -> pb.ModelInferResponse:
    return await infer(call, _read_inference(call.service, request))


async def _infer_in_stream(call: Call, request: pb.ModelInferRequest) -> pb.ModelStreamInferResponse:
    answer = await _infer(call, request)
    answer.parameters[_FINAL].bool_param = True
    return pb.ModelStreamInferResponse(infer_response=answer)


def _refuse_in_stream(request: pb.ModelInferRequest | None, message: str) -> pb.ModelStreamInferResponse:
    answer = pb.ModelInferResponse(id="" if request is None else request.id)
    answer.parameters[_FINAL].bool_param = True
    return pb.ModelStreamInferResponse(error_message=message, infer_response=answer)


class _Asked(NamedTuple):
    """What a request says, besides its data."""

    request_id: str
    timeout_s: float
    outputs: Sequence[tuple[str, Parameters]]
    name: str
    """The input's name; what follows is the input's, too."""
    datatype: str
    shape: Sequence[int]
    pixel_range: PixelRange
    has_contents: bool


def _read_inference(
    service: Service, request: pb.ModelInferRequest
) -> Job[pb.ModelInferResponse] | Generator[Step, None, Job[pb.ModelInferResponse]]:
    """Read a request; its raw data are taken out of it.

    Raises:
        UnknownModelError: no model has this name and version.
        InvalidRequestError: something in it is wrong; says what, and what is accepted.
    """
    service.check_served(request.model_name, request.model_version)
    model, settings = service.model, service.settings
    raw = list(request.raw_input_contents)
    request.ClearField("raw_input_contents")
    asked = _read_asked(request, settings.served_input) if not raw else _read_again(request, settings.served_input)
    wanted = choose_outputs(service, asked.outputs)
    tensor = _read_values(request, asked, raw, model.input, max_images=service.max_images)

    def write(predictions: Predictions) -> pb.ModelInferResponse:
        outputs = compute_outputs(wanted, model, predictions)
        described = tuple([(output.name, output.datatype, output.shape) for output in outputs])
        begun = _begin_answer(service.served_name, settings.served_version, model.version, described)
        answer = pb.ModelInferResponse.FromString(begun)
        answer.id = asked.request_id
        answer.raw_output_contents.extend([pack_output(output) for output in outputs])
        return answer

    return read_job(service, tensor, write, pixel_range=asked.pixel_range, timeout_s=asked.timeout_s)


def _read_again(request: pb.ModelInferRequest, served_input: str) -> _Asked:
    """Read a request without its data; what a small one says is kept, for a caller's is the same in all, as a rule."""
    text = request.SerializeToString()
    return _read_text(text, served_input) if len(text) <= _KEPT_BYTES else _read_asked(request, served_input)


@functools.lru_cache(maxsize=256)
def _read_text(text: bytes, served_input: str) -> _Asked:
    return _read_asked(pb.ModelInferRequest.FromString(text), served_input)


def _read_asked(request: pb.ModelInferRequest, served_input: str) -> _Asked:
    parameters = _read_parameters(request.parameters)
    check_parameters(parameters)
    check_input(served_input, [given.name for given in request.inputs])
    given = request.inputs[0]
    of_input = _read_parameters(given.parameters)
    check_input_form(given.name, given.datatype, of_input)
    return _Asked(
        request.id,
        read_timeout_s(parameters),
        [(output.name, _read_parameters(output.parameters)) for output in request.outputs],
        given.name,
        given.datatype,
        tuple(given.shape),
        read_pixel_range(parameters, of_input),
        bool(given.contents.ListFields()),
    )


@functools.lru_cache(maxsize=64)
def _begin_answer(name: str, version: int, digest: str, outputs: tuple[tuple[str, str, tuple[int, ...]], ...]) -> bytes:
    """Write what is the same in many answers."""
    answer = pb.ModelInferResponse(model_name=name, model_version=str(version))
    answer.parameters["digest"].string_param = digest
    for output, datatype, shape in outputs:
        answer.outputs.add(name=output, datatype=datatype, shape=shape)
    return answer.SerializeToString()


def _read_parameters(parameters: Mapping[str, pb.InferParameter]) -> dict[str, object]:
    """Give the values of parameters by name, without those that have none."""
    choices = ((name, value, value.WhichOneof("parameter_choice")) for name, value in parameters.items())
    return {name: getattr(value, choice) for name, value, choice in choices if choice is not None}


def _read_values(
    request: pb.ModelInferRequest, asked: _Asked, raw: Sequence[bytes], spec: InputSpec, *, max_images: int
) -> Tensor:
    name, datatype, shape = asked.name, asked.datatype, asked.shape
    if raw:
        if len(raw) != 1:
            raise wrong("raw_input_contents", f"has the data of {len(raw)} inputs, but there is 1 input")
        if asked.has_contents:
            raise wrong(name, "has both `contents` and `raw_input_contents`")
        if datatype != BYTES:
            return Tensor(name, datatype, shape, unpack_numbers(name, raw[0], datatype))
        size = count_elements(name, datatype, shape, spec, max_images=max_images)
        return Tensor(name, datatype, shape, unpack_bytes(name, raw[0], most=size))
    field = _CONTENTS.get(datatype)
    if field is None:
        raise wrong(name, f"has the data type {datatype}, which is read from `raw_input_contents` only")
    contents: Sequence[tuple[Any, Any]] = request.inputs[0].contents.ListFields()
    for descriptor, _ in contents:
        if descriptor.name != field:
            raise wrong(name, f"has values in `{descriptor.name}`, but those of {datatype} are in `{field}`")
    if not contents:
        raise wrong(name, f"has no data: `raw_input_contents`, or `{field}`, is needed")
    tensor = Tensor(name, datatype, shape, contents[0][1])
    check_size(tensor, spec, max_images=max_images)  # before there are as many objects as values
    values = list(tensor.values)
    return tensor._replace(values=values if datatype == BYTES else parse_numbers(name, values, datatype, shape))


METHODS: Final = list_methods(
    SERVICE,
    {
        "ServerLive": Openly(_answer_server_live),
        "ServerReady": Openly(_answer_server_ready),
        "ModelReady": _answer_model_ready,
        "ServerMetadata": _describe_server,
        "ModelMetadata": _describe_model,
        "ModelInfer": _infer,
        "ModelStreamInfer": InStream(_infer_in_stream, _refuse_in_stream),
        "ModelConfig": _describe_config,
        "ModelStatistics": _give_statistics,
        "RepositoryIndex": _list_models,
        "RepositoryModelLoad": _refuse_control,
        "RepositoryModelUnload": _refuse_control,
        "SystemSharedMemoryStatus": _answer_always(pb.SystemSharedMemoryStatusResponse()),
        "SystemSharedMemoryRegister": _refuse_region,
        "SystemSharedMemoryUnregister": _answer_always(pb.SystemSharedMemoryUnregisterResponse()),
        "CudaSharedMemoryStatus": _answer_always(pb.CudaSharedMemoryStatusResponse()),
        "CudaSharedMemoryRegister": _refuse_region,
        "CudaSharedMemoryUnregister": _answer_always(pb.CudaSharedMemoryUnregisterResponse()),
        "TraceSetting": _give_trace_settings,
        "LogSettings": _give_log_settings,
    },
)
