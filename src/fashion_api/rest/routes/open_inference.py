"""The Open Inference Protocol (V2): health, metadata, statistics and inference."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from fashion_api.rest import problems
from fashion_api.rest.dependencies import OperationRouter, ServiceDep
from fashion_api.rest.openapi import (
    OF_A_BODY,
    OF_A_PREDICTION,
    describe_json,
    describe_parameters,
    name_operation,
    protocol_responses,
)
from fashion_api.service.service import Service
from fashion_api.wire.open_inference import HEADER_LENGTH, INFER, INFER_VERSION
from fashion_api.wire.open_inference_answers import write_config, write_metadata, write_server, write_statistics
from fashion_api.wire.open_inference_models import (
    InferenceRequest,
    InferenceResponse,
    InferenceServer,
    Liveness,
    ModelConfiguration,
    ModelMetadata,
    ModelPath,
    ModelReadiness,
    Readiness,
    ServedModels,
    StatisticsList,
    VersionPath,
)
from fashion_api.wire.served_model import check_ready

TAG = "Open Inference Protocol"
MODEL = "/v2/models/{name}"
ASKED = protocol_responses(problems.NOT_READY, problems.OVERLOADED)
ASKED_OF_MODEL: dict[str, Any] = {
    "responses": protocol_responses(problems.NOT_FOUND, problems.NOT_READY, problems.OVERLOADED),
    "openapi_extra": {"parameters": describe_parameters(path=ModelPath)},
}
_VERSION = f"{MODEL}/versions/{{version}}"
_ASKED_OF_VERSION = {**ASKED_OF_MODEL, "openapi_extra": {"parameters": describe_parameters(path=VersionPath)}}

router = OperationRouter(tags=[TAG])
health_router = APIRouter(tags=[TAG], generate_unique_id_function=name_operation)


async def _find_served(request: Request, service: ServiceDep) -> Service:
    service.check_served(*request.path_params.values())
    return service


ServedDep = Annotated[Service, Depends(_find_served)]
"""The service, where the path names its model."""


@health_router.get("/v2/health/live", summary="Say whether the server is up", responses=protocol_responses())
async def check_server_liveness() -> Liveness:
    """The process is up and its event loop runs."""
    return Liveness(live=True)


@health_router.get(
    "/v2/health/ready",
    summary="Say whether the server answers requests",
    responses=protocol_responses(problems.NOT_READY),
)
async def check_server_readiness(service: ServiceDep) -> Readiness:
    """The model is loaded, and the service is not stopping."""
    check_ready(service)
    return Readiness(live=True, ready=True)


@router.get("/v2/", include_in_schema=False)
@router.get("/v2", summary="Describe the server", responses=ASKED)
async def get_inference_server(_service: ServiceDep) -> InferenceServer:
    """Its name, its version, and the protocol's extensions that it has."""
    return write_server()


@router.get("/v2/models", summary="List the models", responses=ASKED)
async def list_inference_models(service: ServiceDep) -> ServedModels:
    """The name of the model that is served."""
    return ServedModels(models=[service.served_name])


@router.get("/v2/models/stats", summary="Count what all models have done", responses=ASKED)
async def get_all_statistics(service: ServiceDep) -> StatisticsList:
    """Sums over all protocols since this process started; they never fall. Each of several workers has its own."""
    return write_statistics(service)


@router.get(_VERSION, name="get_served_version", summary="Describe a version of a model", **_ASKED_OF_VERSION)
@router.get(MODEL, summary="Describe a model", **ASKED_OF_MODEL)
async def get_served_model(service: ServedDep) -> ModelMetadata:
    """Its versions, its input and its output, and what else there is to know of them."""
    return write_metadata(service)


@router.get(
    f"{_VERSION}/ready",
    name="check_served_version",
    summary="Say whether a version of a model answers",
    **_ASKED_OF_VERSION,
)
@router.get(f"{MODEL}/ready", summary="Say whether a model answers", **ASKED_OF_MODEL)
async def check_served_model(service: ServedDep) -> ModelReadiness:
    """The model answers requests."""
    check_ready(service)
    return ModelReadiness(name=service.served_name, ready=True)


@router.get(
    f"{_VERSION}/config",
    name="get_version_config",
    summary="Describe how a version of a model is served",
    **_ASKED_OF_VERSION,
)
@router.get(f"{MODEL}/config", summary="Describe how a model is served", **ASKED_OF_MODEL)
async def get_model_config(service: ServedDep) -> ModelConfiguration:
    """The most images of a request, the input and the output, in the words of Triton's model configuration."""
    return write_config(service)


@router.get(
    f"{_VERSION}/stats",
    name="get_version_statistics",
    summary="Count what a version of a model has done",
    **_ASKED_OF_VERSION,
)
@router.get(f"{MODEL}/stats", summary="Count what a model has done", **ASKED_OF_MODEL)
async def get_model_statistics(service: ServedDep) -> StatisticsList:
    """Sums over all protocols since this process started; they never fall. Each of several workers has its own."""
    return write_statistics(service)


_INFERENCE: dict[str, Any] = {
    "description": f"""Classify the images of a tensor.

Whole numbers and floats are pixels from 0 (black) to 255; floats from 0 to 1 are declared by the parameter
`pixel_range: "0-1"` of the request or of the input. `BYTES` are picture files. The type of the body is not looked at.

Binary data may take the place of `data`: in the request by `binary_data_size` of the input, in the answer by
`binary_data` of an output or by `binary_data_output` of the request. They follow the JSON, whose length then is in the
header `{HEADER_LENGTH}`. With a length of 0, the whole body is the pixels of one image, and the answer is binary.
""",
    "response_model": InferenceResponse,
    "responses": protocol_responses(*OF_A_BODY, problems.NOT_FOUND, *OF_A_PREDICTION),
}
_BODY = describe_json(
    InferenceRequest,
    {"array": ("Pixels", "tensor_request"), "picture file": ("A PNG file in base64", "picture_request")},
)
router.add_operation(
    INFER,
    name="infer_tensor",
    summary="Classify the images of a tensor",
    openapi_extra={"parameters": describe_parameters(path=ModelPath), "requestBody": _BODY},
    **_INFERENCE,
)
router.add_operation(
    INFER_VERSION,
    name="infer_version_tensor",
    summary="Classify the images of a tensor by a version of a model",
    openapi_extra={"parameters": describe_parameters(path=VersionPath), "requestBody": _BODY},
    **_INFERENCE,
)
