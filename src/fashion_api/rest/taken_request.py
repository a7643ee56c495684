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
    deadline: float
    """The event loop's time at which it is answered, or refused."""


def take_request(scope: Scope, receive: Receive, parameter: str = "") -> TakenRequest:
    """Take a request in; its time runs from now on.

    Raises:
        NotReadyError: there is no service.
    """
    service = get_service(scope)
    head = RequestHead(parameter, scope["query_string"], scope["headers"])
    deadline = asyncio.get_running_loop().time() + service.settings.request_timeout_s
    return TakenRequest(service, head, receive, scope["app"].watch, deadline)
