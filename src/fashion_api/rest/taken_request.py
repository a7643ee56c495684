"""A request that was taken in, bound to the service that answers it to the end."""

import asyncio
from typing import NamedTuple

from starlette.types import Receive, Scope

from fashion_api.rest.scope import get_service
from fashion_api.rest.watch import Watch
from fashion_api.service.service import Service
from fashion_api.wire.operation import RequestHead


class TakenRequest(NamedTuple):
    """A request, its service and its deadline."""

    service: Service
    head: RequestHead
    receive: Receive
    watch: Watch
    taken_at: float
    """The event loop's time at which its head was there."""
    deadline: float
    """The same at which it is answered, or refused."""


def take_request(scope: Scope, receive: Receive, parameters: tuple[str, ...] = ()) -> TakenRequest:
    """Take a request in; its time runs from now on.

    Raises:
        NotReadyError: there is no service.
    """
    service = get_service(scope)
    head = RequestHead(parameters, scope["query_string"], scope["headers"])
    now = asyncio.get_running_loop().time()
    return TakenRequest(service, head, receive, scope["app"].watch, now, now + service.settings.request_timeout_s)
