"""gRPC's server for asyncio, with another loop that takes calls in.

gRPC's own one decodes the name of the method that a call asks for, and ends the whole server where that is not UTF-8,
which any caller can send. Here each method that there is has its own loop, and all other calls have one that does not
look at their names. This costs less, too: gRPC's loop waits for all methods together, each time anew.

It relies on parts of `grpc._cython.cygrpc` that are not promised, hence the bound on its version in pyproject.toml.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import grpc
from grpc._cython import cygrpc

Handler = Any
"""What `grpc.stream_unary_rpc_method_handler` gives; the type that gRPC has for it is generic in the wrong way."""


class MethodServer(cygrpc.AioServer):  # type: ignore[misc]  # it has no types
    """Answers calls, on the running event loop.

    Args:
        handlers: of the methods, by their paths.
        unknown: the handler of all other calls.
        options: gRPC's arguments of a channel.
    """

    def __init__(
        self, handlers: Mapping[str, Handler], unknown: Handler, options: tuple[tuple[str, str | int], ...]
    ) -> None:
        self._event_loop = asyncio.get_running_loop()
        self._handlers = handlers
        self._unknown = unknown
        self._tasks: set[asyncio.Task[Any]] = set()  # the event loop does not keep them
        super().__init__(self._event_loop, None, (), None, options, None)
        self.add_registered_method_handlers(dict(handlers))

    def resolve_handler(self, details: grpc.HandlerCallDetails) -> Handler:
        """Give the handler of a call; gRPC asks for it."""
        return self._handlers.get(details.method, self._unknown)

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[Any]:
        """Take the calls of a method, or all others; gRPC waits for the task, which ends with the server only."""
        if method is None:
            return self._run(self._take_calls("", self._request_call))
        return self._run(self._take_calls(method.decode(), lambda: self._request_registered_call(method)))

    async def _take_calls(self, name: str, request: Callable[[], Awaitable[Any]]) -> None:
        while True:
            state = await request()
            answer = cygrpc._handle_rpc(name, self, (), state, self._event_loop, False)  # noqa: FBT003, SLF001  # see above
            self._run(cygrpc._schedule_rpc_coro(answer, state, self._event_loop, name))  # noqa: SLF001  # see above

    def _run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[Any]:
        task = self._event_loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
