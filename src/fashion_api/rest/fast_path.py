"""The fast path: answers the operations asked most, around FastAPI, and leaves every other request to it.

FastAPI's way to a route takes some 70 of 540 µs of such a request. Nothing else differs: the operations' routes in
FastAPI call `answer` too. See docs/adr/0009.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.errors import FashionError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.rest.body import read_body
from fashion_api.rest.problems import send_reply
from fashion_api.rest.scope import get_record, get_route_path, get_service
from fashion_api.service.batcher import Outcome
from fashion_api.service.limits import UNCOUNTED_BODY_BYTES
from fashion_api.service.service import Service
from fashion_api.wire.operation import Job, Operation, Reply, RequestHead, finish_steps

_LISTEN_AFTER_S = 0.03


class OperationTable:
    """Finds the operation that a request is for."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._by_path = {(operation.method, operation.path): operation for operation in operations}
        self._by_pattern: list[tuple[str, Callable[[str], re.Match[str] | None], Operation]] = [
            (
                operation.method,
                re.compile(re.sub(r"\\{\w+\\}", "([^/]+)", re.escape(operation.path))).fullmatch,
                operation,
            )
            for operation in operations
            if "{" in operation.path
        ]

    def find(self, method: str, path: str) -> tuple[Operation, str] | None:
        """Give the operation and the path's parameter; `None` for any other path."""
        operation = self._by_path.get((method, path))
        if operation is not None:
            return operation, ""
        for candidate, match, operation in self._by_pattern:
            if candidate == method and (found := match(path)):
                return operation, found[1]
        return None


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
        operation, parameter = found
        get_record(scope).route = operation.path
        return _respond(scope, receive, send, operation=operation, parameter=parameter)


async def _respond(scope: Scope, receive: Receive, send: Send, *, operation: Operation, parameter: str) -> None:
    await send_reply(send, await answer(scope, receive, operation, parameter))


async def answer(scope: Scope, receive: Receive, operation: Operation, parameter: str) -> Reply:
    """Have an operation answer a request.

    Raises:
        FashionError: it cannot be answered.
        ClientDisconnect: the caller has gone.
    """
    service = get_service(scope)
    service.batcher.check_room(1)  # first, so that a refusal costs little
    deadline = asyncio.get_running_loop().time() + service.settings.request_timeout_s
    head = RequestHead(parameter, scope["query_string"], scope["headers"])
    if operation.check is None:
        job = operation.read(service, head, b"")
        job = job if isinstance(job, Job) else finish_steps(job)
    else:
        operation.check(head)
        job = await _read_job(service, receive, operation, head, deadline=deadline)
    return job.write(await _classify(service, receive, job.images, deadline=deadline))


async def _read_job(
    service: Service, receive: Receive, operation: Operation, head: RequestHead, *, deadline: float
) -> Job:
    settings = service.settings
    with service.body_memory.hold() as held:
        body = await read_body(receive, head, held, settings=settings, deadline=deadline)
        job = operation.read(service, head, body)
        if isinstance(job, Job):
            return job
        if len(body) <= UNCOUNTED_BODY_BYTES:
            return finish_steps(job)
        return await service.decoder.run(job, deadline=deadline, timeout_s=settings.request_timeout_s)


async def _classify(service: Service, receive: Receive, images: Images, *, deadline: float) -> Predictions:
    """Classify images; where their caller disconnects while they wait, they leave the queue uncomputed.

    Whether the caller disconnects is listened for only once a request has waited: most are answered before.
    """
    loop = asyncio.get_running_loop()
    predictions: asyncio.Future[Predictions] = loop.create_future()
    ticket = service.batcher.submit(images, partial(_settle, predictions), deadline=deadline)
    listener = _Listener(loop, receive, predictions)
    try:
        return await predictions
    finally:
        listener.stop()
        ticket.cancel()


class _Listener:
    """Ends the wait for an answer whose caller disconnects."""

    __slots__ = ("_answer", "_loop", "_receive", "_task", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, receive: Receive, answer: "asyncio.Future[Predictions]"
    ) -> None:
        self._loop = loop
        self._receive = receive
        self._answer = answer
        self._task: asyncio.Task[None] | None = None
        self._timer = loop.call_later(_LISTEN_AFTER_S, self._start)

    def stop(self) -> None:
        """Listen no longer."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _start(self) -> None:
        self._task = self._loop.create_task(self._listen())

    async def _listen(self) -> None:
        error: Exception = ClientDisconnect()
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except FashionError as refusal:  # a body that the operation does not read is whole, and one too many
            error = refusal
        if not self._answer.done():
            self._answer.set_exception(error)


def _settle(answer: "asyncio.Future[Predictions]", outcome: Outcome) -> None:
    if answer.done():
        return
    if isinstance(outcome, Predictions):
        answer.set_result(outcome)
    else:
        answer.set_exception(outcome)
