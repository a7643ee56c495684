"""What FastAPI's routes share."""

from enum import Enum
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from fashion_api.rest.body import read_body, start_decoding
from fashion_api.rest.content_coding import read_coding
from fashion_api.rest.fast_path import answer, compile_path
from fashion_api.rest.openapi import name_operation
from fashion_api.rest.problems import to_response
from fashion_api.rest.scope import get_service
from fashion_api.rest.taken_request import TakenRequest, take_request
from fashion_api.service.limits import HeldBody
from fashion_api.service.service import Service
from fashion_api.wire.operation import Operation


async def _find_service(request: Request) -> Service:
    return get_service(request.scope)


ServiceDep = Annotated[Service, Depends(_find_service)]


class OperationRouter(APIRouter):
    """FastAPI's router, which takes operations too: the fast path answers them, and FastAPI describes them."""

    def __init__(self, *, tags: list[str | Enum]) -> None:
        super().__init__(tags=tags, generate_unique_id_function=name_operation)
        self.operations: list[Operation] = []

    def add_operation(self, operation: Operation, **description: Any) -> None:  # noqa: ANN401  # add_api_route's own
        """Add an operation, with its description for OpenAPI."""
        pattern = compile_path(operation)

        async def answer_operation(request: Request) -> Response:
            parameters = tuple(request.path_params[name] for name in pattern.groupindex)
            return to_response(await answer(request.scope, request.receive, operation, parameters))

        self.operations.append(operation)
        self.add_api_route(operation.path, answer_operation, methods=[operation.method], **description)
        if operation.ignores_case:
            route: Any = self.routes[-1]
            route.path_regex = pattern


async def read_request(request: Request) -> tuple[TakenRequest, bytes]:
    """Take a request in and read its whole body, without its content coding.

    Raises:
        RequestError: the body is too large or too slow, or its content coding is wrong.
        UnavailableError: there is no memory or no time for it.
    """
    taken = take_request(request.scope, request.receive)
    with taken.service.body_memory.hold() as held:
        return taken, await read_decoded(taken, held)


async def read_decoded(taken: TakenRequest, held: HeldBody) -> bytes:
    """Read a body and remove its content coding; `held` counts its bytes."""
    service = taken.service
    coding = read_coding(taken.head)
    body = await read_body(taken, held)
    if not coding:
        return body
    steps = start_decoding(taken, held, body, coding)
    return await service.decoder.run(steps, deadline=taken.deadline, timeout_s=service.settings.request_timeout_s)
