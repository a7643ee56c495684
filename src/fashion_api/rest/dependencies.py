"""What FastAPI's routes share."""

import asyncio
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from fashion_api.rest.body import read_body
from fashion_api.rest.fast_path import answer
from fashion_api.rest.problems import to_response
from fashion_api.rest.scope import get_service
from fashion_api.service.service import Service
from fashion_api.wire.operation import Operation, RequestHead


async def _find_service(request: Request) -> Service:
    return get_service(request.scope)


ServiceDep = Annotated[Service, Depends(_find_service)]


def add_operation(router: APIRouter, operation: Operation, **description: Any) -> None:  # noqa: ANN401  # FastAPI's own
    """Add an operation to FastAPI's routes, with what describes it there."""
    names = re.findall(r"{(\w+)}", operation.path)

    async def answer_operation(request: Request) -> Response:
        parameter = "".join(request.path_params[name] for name in names)
        return to_response(await answer(request.scope, request.receive, operation, parameter))

    router.add_api_route(operation.path, answer_operation, methods=[operation.method], **description)


async def read_request(request: Request, service: Service) -> tuple[RequestHead, bytes]:
    """Read the head and the whole body of a request, as small as the original API's are.

    Raises:
        RequestError: the body is too large or too slow.
    """
    scope, settings = request.scope, service.settings
    head = RequestHead("", scope["query_string"], scope["headers"])
    deadline = asyncio.get_running_loop().time() + settings.request_timeout_s
    with service.body_memory.hold() as held:
        return head, await read_body(request.receive, head, held, settings=settings, deadline=deadline)
