"""Probes, for what keeps the service up."""

from fastapi import APIRouter

from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import ServiceDep
from fashion_api.wire.models import Health

router = APIRouter(tags=["health"])


@router.get("/livez", summary="Tell whether the process is up", responses=errors.responses())
async def check_liveness() -> Health:
    """Tell whether the process is up."""
    return Health()


@router.get("/readyz", summary="Tell whether requests can be answered", responses=errors.responses(errors.NOT_READY))
async def check_readiness(service: ServiceDep) -> Health:
    """The model is loaded, tested and warm, and the service is not stopping."""
    if service.is_draining:
        raise errors.HttpError(errors.NOT_READY, "the service is stopping")
    return Health()
