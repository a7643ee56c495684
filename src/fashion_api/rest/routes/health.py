"""Probes, for what keeps the service up."""

from fastapi import APIRouter

from fashion_api.errors import NotReadyError
from fashion_api.rest import problems
from fashion_api.rest.dependencies import ServiceDep
from fashion_api.rest.openapi import name_operation, responses
from fashion_api.wire.models import Health

router = APIRouter(tags=["health"], generate_unique_id_function=name_operation)


@router.get("/livez", summary="Say whether the process is up", responses=responses())
async def check_liveness() -> Health:
    """The process is up and its event loop runs."""
    return Health()


@router.get("/readyz", summary="Say whether requests can be answered", responses=responses(problems.NOT_READY))
async def check_readiness(service: ServiceDep) -> Health:
    """The model is loaded, tested and warm, and the service is not stopping."""
    if service.is_draining:
        raise NotReadyError("the service is stopping")
    return Health()
