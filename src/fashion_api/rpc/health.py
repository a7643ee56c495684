"""The health service, `grpc.health.v1.Health` (https://grpc.io/docs/guides/health-checking/).

gRPC's own one holds a lock while it writes to a watcher: one that takes nothing would keep all others from hearing that
the service drains.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from grpc_health.v1.health_pb2 import (
    DESCRIPTOR,
    HealthCheckRequest,
    HealthCheckResponse,
    HealthListRequest,
    HealthListResponse,
)

from fashion_api.rpc.calls import Openly, list_methods
from fashion_api.rpc.statuses import UnknownServiceError
from fashion_api.service.following import ModelFollower

_Requests = AsyncIterator[HealthCheckRequest]
SERVICE = DESCRIPTOR.services_by_name["Health"]


class Health:
    """Whether the service takes calls: as a whole, whose name is empty, and each of its gRPC services.

    Args:
        services: their names.
    """

    def __init__(self, services: Sequence[str]) -> None:
        self._services = frozenset(["", *services])
        self._is_over = asyncio.Event()
        self.methods = list_methods(
            SERVICE, {"Check": Openly(self._check), "List": Openly(self._list), "Watch": Openly(self._watch)}
        )

    def stop(self) -> None:
        """Say from now on that calls are not taken."""
        self._is_over.set()

    async def _check(self, _: ModelFollower, requests: _Requests) -> AsyncIterator[HealthCheckResponse]:
        async for request in requests:
            if request.service not in self._services:
                raise UnknownServiceError(f"there is no service {request.service:.100}")
            yield HealthCheckResponse(status=self._find_status(request.service))
            return

    async def _list(
        self, _: ModelFollower, requests: AsyncIterator[HealthListRequest]
    ) -> AsyncIterator[HealthListResponse]:
        async for _request in requests:
            statuses = {
                service: HealthCheckResponse(status=self._find_status(service)) for service in sorted(self._services)
            }
            yield HealthListResponse(statuses=statuses)
            return

    async def _watch(self, _: ModelFollower, requests: _Requests) -> AsyncIterator[HealthCheckResponse]:
        async for request in requests:
            status = self._find_status(request.service)
            yield HealthCheckResponse(status=status)
            if status == HealthCheckResponse.SERVING:  # it may be over by now: writing takes its time
                await self._is_over.wait()
                yield HealthCheckResponse(status=self._find_status(request.service))
            await asyncio.Event().wait()  # until the caller ends the call: the protocol asks for it

    def _find_status(self, service: str) -> HealthCheckResponse.ServingStatus:
        if service not in self._services:
            return HealthCheckResponse.SERVICE_UNKNOWN
        return HealthCheckResponse.NOT_SERVING if self._is_over.is_set() else HealthCheckResponse.SERVING
