"""What is done below the app: refusing a request too many or bytes that are no HTTP, and noticing who has gone.

At twice what one core can answer, half of the requests must be refused, and that must cost next to nothing: refused by
a route, each takes nearly as long as an answer, and little is left to answer with. See docs/adr/0006.
"""

import asyncio
import functools
import random
import time
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from fashion_api.errors import BAD_REQUEST, OVERLOADED, PROBLEM_MEDIA_TYPE, PROBLEMS_PATH, RETRY_AFTER_S, ProblemKind
from fashion_api.logs import RequestEvent
from fashion_api.request_log import RequestLog, find_request_id

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, HTTPScope


class _Refused:
    """Stands where uvicorn keeps a request's cycle: of one that is answered, whose body is to be passed over."""

    response_complete = True
    disconnected = False

    def __init__(self) -> None:
        self.message_event = asyncio.Event()


async def _call(
    app: "ASGI3Application",
    cycle: RequestResponseCycle,
    scope: "HTTPScope",
    receive: "ASGIReceiveCallable",
    send: "ASGISendCallable",
) -> None:
    """Call the app; that it was cancelled because its caller has gone is no error, which uvicorn would log."""
    try:
        await app(scope, receive, send)
    except asyncio.CancelledError:
        if not cycle.disconnected:
            raise


class ServiceProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which refuses requests when too many are under way, and gives up those whose caller has gone.

    `limited` makes one with its limits: uvicorn gives a protocol no arguments of ours.
    """

    _task: "asyncio.Task[None] | None" = None
    max_requests: ClassVar[int]
    open_paths: ClassVar[frozenset[bytes]]
    request_log: ClassVar[RequestLog]

    @classmethod
    def limited(
        cls, max_requests: int, *, open_paths: Collection[str], request_log: RequestLog
    ) -> type["ServiceProtocol"]:
        """Make the protocol for a service; requests for `open_paths` are never refused."""
        attributes: dict[str, Any] = {
            "max_requests": max_requests,
            "open_paths": frozenset(path.encode() for path in open_paths),
            "request_log": request_log,
        }
        return type("LimitedServiceProtocol", (cls,), attributes)

    def on_headers_complete(self) -> None:
        """Start a request, or refuse it."""
        cycle: RequestResponseCycle | None = self.cycle
        is_busy = cycle is not None and not cycle.response_complete  # a pipelined request waits its turn
        if len(self.tasks) < self.max_requests or is_busy or self._path() in self.open_paths:
            super().on_headers_complete()
            return
        self.cycle = _Refused()  # type: ignore[assignment]  # all of it that is looked at
        self._write_problem(
            OVERLOADED, f"{self.max_requests} requests are under way already", b"retry-after: %d\r\n" % RETRY_AFTER_S
        )
        self.on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        """Start a request as uvicorn does, but keep hold of its task."""
        self._task = self.loop.create_task(cycle.run_asgi(functools.partial(_call, app, cycle)))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what the caller, who has gone, was waiting for: its images leave the queue uncomputed."""
        super().connection_lost(exc)
        if self._task is not None:
            self._task.cancel()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the parser's words, which are not shown
        """Answer bytes that are no HTTP, and end the connection, since nobody knows where the next request begins."""
        self._write_problem(BAD_REQUEST, "this is not an HTTP request", b"connection: close\r\n")
        self.transport.close()

    def _path(self) -> bytes:
        return self.url.partition(b"?")[0]

    def _write_problem(self, kind: ProblemKind, detail: str, header: bytes) -> None:
        # Of what is no HTTP there may be neither address nor headers.
        headers = getattr(self, "headers", None) or []
        path = self._path() if hasattr(self, "url") else b""
        request_id = find_request_id(headers) or f"{random.getrandbits(128):032x}"  # an id is no secret
        status = HTTPStatus(kind.status)
        problem = {
            "type": f"{PROBLEMS_PATH}#{kind.name}",
            "title": kind.title,
            "status": int(status),
            "detail": detail,
            "instance": path.decode("ascii", errors="replace"),
            "request_id": request_id,
        }
        body = to_json(problem)
        defaults = b"".join(b"%b: %b\r\n" % item for item in self.server_state.default_headers)
        self.transport.write(
            b"HTTP/1.1 %d %b\r\n%b%bcontent-type: %b\r\ncontent-length: %d\r\nx-request-id: %b\r\n\r\n%b"
            % (
                status,
                status.phrase.encode(),
                defaults,
                header,
                PROBLEM_MEDIA_TYPE.encode(),
                len(body),
                request_id.encode(),
                body,
            )
        )
        self.request_log.add(RequestEvent(time.time(), self._method(), None, int(status), 0.0, request_id))

    def _method(self) -> str:
        method: bytes = self.parser.get_method()
        return method.decode("ascii")
