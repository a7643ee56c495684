"""Metrics, for Prometheus."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Header, Response

from fashion_api.rest.dependencies import ServiceDep

METRICS_PATH = "/metrics"

router = APIRouter(include_in_schema=False)


@router.get(METRICS_PATH)
async def write_metrics(service: ServiceDep, accept: Annotated[str, Header()] = "") -> Response:
    """Write what all workers have counted, as Prometheus text, or as OpenMetrics where `Accept` asks for it."""
    content, media_type = await asyncio.to_thread(service.metrics.write, accept)  # it takes milliseconds
    return Response(content, media_type=media_type)
