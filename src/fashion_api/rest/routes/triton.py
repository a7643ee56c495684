"""What clients of Triton ask besides inference: the repository, settings and shared memory.

What would change something is refused; routes that refuse whatever they are asked are not described.
"""

from typing import Any

from fastapi import Request

from fashion_api.errors import NotReadyError
from fashion_api.rest import problems
from fashion_api.rest.dependencies import OperationRouter, ServiceDep, read_request
from fashion_api.rest.openapi import OF_A_BODY, describe_body, describe_parameters, protocol_responses
from fashion_api.rest.routes.open_inference import ASKED, ASKED_OF_MODEL, MODEL, TAG, ServedDep
from fashion_api.wire.json_body import JSON
from fashion_api.wire.open_inference_answers import keep_settings, write_index
from fashion_api.wire.open_inference_models import (
    LogSettings,
    NoChange,
    NothingDone,
    RegionPath,
    RepositoryModel,
    RepositoryQuery,
    TraceSettings,
)
from fashion_api.wire.served_model import NO_CONTROL, NO_SHARED_MEMORY, describe_log_settings, describe_trace_settings
from fashion_api.wire.validation import wrong

router = OperationRouter(tags=[TAG])

_CHANGED = protocol_responses(*OF_A_BODY, problems.NOT_READY, problems.OVERLOADED)
_CHANGED_OF_MODEL = protocol_responses(*OF_A_BODY, problems.NOT_FOUND, problems.NOT_READY, problems.OVERLOADED)
_CHANGE: dict[str, Any] = {"requestBody": {"content": {JSON: {"schema": describe_body(NoChange)}}}}
_ASKED_OF_REGION: dict[str, Any] = {
    "responses": ASKED,
    "openapi_extra": {"parameters": describe_parameters(path=RegionPath)},
}


@router.post(
    "/v2/repository/index",
    summary="List the repository",
    responses=_CHANGED,
    openapi_extra={"requestBody": {"content": {JSON: {"schema": describe_body(RepositoryQuery)}}}},
)
async def list_repository(request: Request) -> list[RepositoryModel]:
    """The model that is served; the body may be empty."""
    taken, body = await read_request(request)
    return write_index(taken.service, body)


@router.post("/v2/repository/models/{name}/load", include_in_schema=False)
@router.post("/v2/repository/models/{name}/unload", include_in_schema=False)
async def control_model() -> None:
    """Refuse to load or unload a model."""
    raise NotReadyError(NO_CONTROL)


@router.get("/v2/logging", summary="Describe what is logged", responses=ASKED)
async def get_log_settings(service: ServiceDep) -> LogSettings:
    """What the service's own settings say; it is changed there, and not by a request."""
    return LogSettings.model_validate(describe_log_settings(service))


@router.post("/v2/logging", summary="Keep what is logged", responses=_CHANGED, openapi_extra=_CHANGE)
async def keep_log_settings(request: Request) -> LogSettings:
    """Give what is set; what would change it is refused, and so is a setting that there is not."""
    taken, body = await read_request(request)
    return keep_settings(await get_log_settings(taken.service), body)


@router.get("/v2/trace/setting", summary="Describe what is traced", responses=ASKED)
async def get_trace_settings(service: ServiceDep) -> TraceSettings:
    """What the service's own settings say; it is changed there, and not by a request."""
    return TraceSettings.model_validate(describe_trace_settings(service))


@router.get(f"{MODEL}/trace/setting", summary="Describe what is traced of a model", **ASKED_OF_MODEL)
async def get_model_trace(service: ServedDep) -> TraceSettings:
    """The settings for all requests."""
    return await get_trace_settings(service)


@router.post("/v2/trace/setting", summary="Keep what is traced", responses=_CHANGED, openapi_extra=_CHANGE)
async def keep_trace_settings(request: Request) -> TraceSettings:
    """Give what is set; what would change it is refused, and so is a setting that there is not."""
    taken, body = await read_request(request)
    return keep_settings(await get_trace_settings(taken.service), body)


@router.post(
    f"{MODEL}/trace/setting",
    summary="Keep what is traced of a model",
    responses=_CHANGED_OF_MODEL,
    openapi_extra={**ASKED_OF_MODEL["openapi_extra"], **_CHANGE},
)
async def keep_model_trace(request: Request, _service: ServedDep) -> TraceSettings:
    """Give what is set; what would change it is refused, and so is a setting that there is not."""
    return await keep_trace_settings(request)


@router.get("/v2/cudasharedmemory/status", name="list_cuda_memory", summary="List CUDA shared memory", responses=ASKED)
@router.get(
    "/v2/systemsharedmemory/status", name="list_system_memory", summary="List system shared memory", responses=ASKED
)
@router.get(
    "/v2/cudasharedmemory/region/{region}/status",
    name="find_cuda_memory",
    summary="Find a region of CUDA shared memory",
    **_ASKED_OF_REGION,
)
@router.get(
    "/v2/systemsharedmemory/region/{region}/status",
    name="find_system_memory",
    summary="Find a region of system shared memory",
    **_ASKED_OF_REGION,
)
async def list_regions(_service: ServiceDep) -> list[str]:
    """None: shared memory is not offered."""
    return []


@router.post("/v2/cudasharedmemory/region/{region}/register", include_in_schema=False)
@router.post("/v2/systemsharedmemory/region/{region}/register", include_in_schema=False)
async def register_region() -> None:
    """Refuse to use shared memory."""
    raise wrong("", NO_SHARED_MEMORY)


@router.post(
    "/v2/cudasharedmemory/unregister",
    name="unregister_cuda_memory",
    summary="Unregister all CUDA shared memory",
    responses=ASKED,
)
@router.post(
    "/v2/systemsharedmemory/unregister",
    name="unregister_system_memory",
    summary="Unregister all system shared memory",
    responses=ASKED,
)
@router.post(
    "/v2/cudasharedmemory/region/{region}/unregister",
    name="unregister_cuda_region",
    summary="Unregister a region of CUDA shared memory",
    **_ASKED_OF_REGION,
)
@router.post(
    "/v2/systemsharedmemory/region/{region}/unregister",
    name="unregister_system_region",
    summary="Unregister a region of system shared memory",
    **_ASKED_OF_REGION,
)
async def unregister_region(_service: ServiceDep) -> NothingDone:
    """Nothing to do: shared memory is not offered."""
    return NothingDone()
