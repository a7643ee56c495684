"""The fast path: answers the operations asked most, around FastAPI, and leaves every other request to it.

FastAPI's way to a route takes some 70 of 540 µs of such a request. Nothing else differs: the operations' routes in
FastAPI call `answer` too. See docs/adr/0009.
"""

import functools
import re
import time
from collections.abc import Awaitable, Callable, Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.inference.classifier import Predictions
from fashion_api.rest.body import read_body, start_decoding
from fashion_api.rest.content_coding import read_coding
from fashion_api.rest.problems import send_reply
from fashion_api.rest.scope import get_record, get_route_path
from fashion_api.rest.taken_request import TakenRequest, take_request
from fashion_api.rest.watch import Caller
from fashion_api.service.batcher import Ticket
from fashion_api.service.limits import HeldBody
from fashion_api.wire.computing import compute, finish_reading
from fashion_api.wire.operation import Job, JobSteps, Operation, Reply, finish_steps


class OperationTable:
    """Finds the operation that a request is for."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_path = {(operation.method, operation.path): operation for operation in operations}
        self._by_pattern: list[tuple[str, Callable[[str], re.Match[str] | None], Operation]] = [
            (operation.method, compile_path(operation).fullmatch, operation)
            for operation in operations
            if "{" in operation.path
        ]

    def find(self, method: str, path: str) -> tuple[Operation, tuple[str, ...]] | None:
        """Give the operation and the path's parameters; `None` for any other path."""
        operation = self._by_path.get((method, path))
        if operation is not None:
            return operation, ()
        for candidate, match, operation in self._by_pattern:
            if candidate == method and (found := match(path)):
                return operation, found.groups()
        return None


def compile_path(operation: Operation) -> re.Pattern[str]:
    """Make the pattern of an operation's whole paths, with a named group for each parameter."""
    pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.path))
    return re.compile(rf"{pattern}\Z", re.IGNORECASE if operation.ignores_case else 0)


class FastPath:
    """Answers `operations`, and passes every other request to `app`."""

    def __init__(self, app: ASGIApp, operations: Sequence[Operation]) -> None:
        self._app = app
        self._table = OperationTable(operations)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        found = self._table.find(scope["method"], get_route_path(scope)) if scope["type"] == "http" else None
        if found is None:
            return self._app(scope, receive, send)
        operation, parameters = found
        get_record(scope).route = operation.path
        return _respond(scope, receive, send, operation=operation, parameters=parameters)


async def _respond(
    scope: Scope, receive: Receive, send: Send, *, operation: Operation, parameters: tuple[str, ...]
) -> None:
    await send_reply(send, await answer(scope, receive, operation, parameters))


async def answer(scope: Scope, receive: Receive, operation: Operation, parameters: tuple[str, ...]) -> Reply:
    """Have an operation answer a request.

    Raises:
        FashionError: it cannot be answered.
        ClientDisconnect: the caller has gone.
    """
    request = take_request(scope, receive, parameters)
    request.service.batcher.check_room(1)  # first, so that a refusal costs little
    job, whole_at = await _read_job(request, operation)
    return await compute(
        request.service,
        job,
        get_record(scope),
        deadline=min(request.deadline, request.taken_at + job.timeout_s),
        whole_at=whole_at,
        wait=functools.partial(_wait_for, request),
        is_prediction=operation.is_prediction,
    )


async def _read_job(request: TakenRequest, operation: Operation) -> tuple[Job[Reply], float]:
    """Read a request; gives the job, and the time (`time.perf_counter`) at which the body was whole."""
    service, head = request.service, request.head
    if operation.check is None:
        whole_at = time.perf_counter()
        job = operation.read(service, head, b"")
        return job if isinstance(job, Job) else finish_steps(job), whole_at
    operation.check(head)
    coding = read_coding(head)
    with service.body_memory.hold() as held:
        body = await read_body(request, held)
        whole_at = time.perf_counter()
        steps = _read_decoded(request, operation, held, body=body, coding=coding) if coding else None
        found = operation.read(service, head, body) if steps is None else steps
        if isinstance(found, Job):
            return found, whole_at
        return await finish_reading(service, found, size=held.size, deadline=request.deadline), whole_at


def _read_decoded(request: TakenRequest, operation: Operation, held: HeldBody, *, body: bytes, coding: str) -> JobSteps:
    """Read a request whose body has a content coding, in steps."""
    steps = start_decoding(request, held, body, coding)

    def decode_and_read() -> JobSteps:
        decoded = yield from steps
        job = operation.read(request.service, request.head, decoded)
        return job if isinstance(job, Job) else (yield from job)

    return decode_and_read()


async def _wait_for(request: TakenRequest, ticket: Ticket) -> Predictions:
    """Wait for predictions; where the caller disconnects meanwhile, the images leave the queue uncomputed."""
    caller = Caller(request.receive, ticket.answer)
    request.watch.add(caller)
    try:
        return await ticket.answer
    finally:
        request.watch.remove(caller)
        caller.stop()
        ticket.cancel()
