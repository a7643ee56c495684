"""gRPC's server for asyncio, with another loop that takes calls in.

gRPC's own one decodes the name of the method that a call asks for, and ends the whole server where that is not UTF-8,
which any caller can send. Here each method that there is has its own loop, and all other calls have one that does not
look at their names. This costs less, too: gRPC's loop waits for all methods together, each time anew.

It relies on parts of `grpc._cython.cygrpc` that are not promised, hence the bound on its version in pyproject.toml.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
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
        self._loops: list[asyncio.Task[Any]] = []  # which take calls in; the event loop does not keep tasks
        self._calls: dict[asyncio.Task[Any], object] = {}  # those that carry calls, with what answers them
        super().__init__(self._event_loop, None, (), None, options, None)
        self.add_registered_method_handlers(dict(handlers))

    def resolve_handler(self, details: grpc.HandlerCallDetails) -> Handler:
        """Give the handler of a call; gRPC asks for it."""
        return self._handlers.get(details.method, self._unknown)

    def reset(self, task: asyncio.Task[Any]) -> None:
        """End a call whose caller takes nothing, so that it could not be told a status either.

        Nothing but this frees what gRPC has of the call: its status would wait behind the answer that is not taken.

        Args:
            task: the one that the call's handler runs in.
        """
        answer = task.get_coro().cr_await  # type: ignore[union-attr]  # Cython's coroutines have it, too
        task.cancel()
        for carrier, its_answer in self._calls.items():
            if its_answer is answer:
                carrier.cancel()
                return

    def _make_request_call_future(self, method: bytes | None) -> asyncio.Task[Any]:
        """Take the calls of a method, or all others; gRPC waits for the task, which ends with the server only."""
        if method is None:
            taking = self._take_calls("", self._request_call)
        else:
            taking = self._take_calls(method.decode(), lambda: self._request_registered_call(method))
        self._loops.append(self._event_loop.create_task(taking))
        return self._loops[-1]

    async def _take_calls(self, name: str, request: Callable[[], Awaitable[Any]]) -> None:
        while True:
            state = await request()
            answer = cygrpc._handle_rpc(name, self, (), state, self._event_loop, False)  # noqa: FBT003, SLF001  # see above
            carrying = cygrpc._schedule_rpc_coro(answer, state, self._event_loop, name)  # noqa: SLF001  # see above
            task = self._event_loop.create_task(carrying)
            self._calls[task] = answer
            task.add_done_callback(self._calls.pop)
            del state, answer, carrying, task  # they would outlive the call
