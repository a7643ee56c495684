"""What is done below the app: answering what is asked most, refusing a request too many, noticing who has gone.

The framework's part of an answer is as long as the engine's, and at twice what one core can answer, half of the
requests must be refused at next to no cost. See docs/adr/0006 and 0007.
"""

import asyncio
import functools
import time
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, ClassVar

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from fashion_api.errors import BAD_REQUEST, OVERLOADED, Trouble, write_problem
from fashion_api.exchange import Exchange
from fashion_api.logs import RequestEvent
from fashion_api.operations import LARGE_BODY_BYTES, Answer, Headers, Operation, OperationTable, Question
from fashion_api.refusal import Refusal, read_plain_request
from fashion_api.request_log import RequestLog, find_request_id, make_request_id

if TYPE_CHECKING:
    from starlette.datastructures import State
    from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, HTTPScope

_UNUSUAL_HEADERS = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


class _Refused:
    """Stands where uvicorn keeps a request's cycle: of one that is answered, whose body is to be passed over."""

    response_complete = True
    disconnected = False
    message_event = Exchange.message_event


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
    """uvicorn's protocol, which answers some requests itself, refuses those too many, and gives up those of the gone.

    What is not plain goes to the app: see `_find_operation`. `serving` makes one for a service: uvicorn gives a
    protocol no arguments of ours.
    """

    # Those whose answer comes next; the cycle may be that of a pipelined request, which waits.
    _task: "asyncio.Task[None] | None" = None
    _exchange: Exchange | None = None
    max_requests: ClassVar[int]
    open_paths: ClassVar[frozenset[bytes]]
    request_log: ClassVar[RequestLog]
    operations: ClassVar[OperationTable]
    state: "ClassVar[State]"
    refusal: ClassVar[Refusal]
    _is_between_requests = True
    _refused_at: float | None = None  # since the keep-alive timer was set

    @classmethod
    def serving(
        cls, state: "State", *, max_requests: int, open_paths: Collection[str], operations: Collection[Operation]
    ) -> type["ServiceProtocol"]:
        """Make the protocol for a service.

        Args:
            state: the app's, where its parts are.
            max_requests: the most requests under way; beyond it, they are refused.
            open_paths: what is never refused.
            operations: what is answered below the app.
        """
        attributes: dict[str, Any] = {
            "max_requests": max_requests,
            "open_paths": frozenset(path.encode() for path in open_paths),
            "request_log": state.request_log,
            "operations": OperationTable(tuple(operations)),
            "state": state,
            "refusal": Refusal(Trouble(OVERLOADED, f"{max_requests} requests are under way already")),
        }
        return type("OwnServiceProtocol", (cls,), attributes)

    def data_received(self, data: bytes) -> None:
        """Take in what has come; a body that is not whole by then has a time limit."""
        is_full = len(self.tasks) >= self.max_requests
        if is_full and self._is_between_requests and self._refuse_unparsed(data):
            return
        super().data_received(data)
        cycle: object = self.cycle
        if isinstance(cycle, Exchange) and cycle.is_reading:
            cycle.wait_for_body()

    def on_message_begin(self) -> None:
        """Begin to take in a request."""
        self._is_between_requests = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Start a request, refuse it, or leave it to the app."""
        cycle: RequestResponseCycle | None = self.cycle
        is_busy = cycle is not None and not cycle.response_complete  # a pipelined request waits its turn
        path, _, query = self.url.partition(b"?")
        if len(self.tasks) >= self.max_requests and not is_busy and path not in self.open_paths:
            self._refuse(path)
        elif is_busy or self.flow.write_paused or not self._start_exchange(path, query):
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take in some of a body."""
        cycle: object = self.cycle
        if isinstance(cycle, Exchange):
            cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Answer a request that is whole."""
        self._is_between_requests = True
        cycle: object = self.cycle
        if not isinstance(cycle, Exchange):
            super().on_message_complete()
        elif not cycle.response_complete:
            cycle.start()

    def _start_exchange(self, path: bytes, query: bytes) -> bool:
        service = self.state.service
        method: bytes = self.parser.get_method()
        found = self.operations.find(method, path)
        if service is None or found is None:
            return False
        operation, parameter = found
        most = 0 if operation.check is None else min(LARGE_BODY_BYTES, service.settings.max_upload_bytes)
        if not self._is_plain(most) or not self.state.api_keys.accept(self.headers):
            return False
        question = Question(parameter, query, self.headers)
        self._exchange = exchange = Exchange(self, service, operation, question, path=path.decode())
        self.cycle = exchange  # type: ignore[assignment]  # all of it that is looked at
        self.tasks.add(exchange)  # type: ignore[arg-type]  # the same
        return True

    def _is_plain(self, max_body_bytes: int) -> bool:
        """Tell whether a request is of the usual kind, with a body of no more than that; the app knows all kinds."""
        length = 0
        for name, value in self.headers:
            if name in _UNUSUAL_HEADERS:
                return False
            if name == b"content-length":
                length = int(value)
        return (
            length <= max_body_bytes
            and b"#" not in self.url
            and self.parser.should_keep_alive()
            and self.parser.get_http_version() == "1.1"
        )

    def finish(self, exchange: Exchange, answer: Answer | None, event: RequestEvent) -> None:
        """Send an exchange's answer, unless the caller has gone, and go on to the next request."""
        self.tasks.discard(exchange)
        self.request_log.add(event)
        if answer is None or self.transport.is_closing():
            return
        self._write(answer, exchange.request_id, b"" if exchange.keep_alive else b"connection: close\r\n")
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: "ASGI3Application") -> None:
        """Start a request as uvicorn does, but keep hold of its task."""
        self._task = self.loop.create_task(cycle.run_asgi(functools.partial(_call, app, cycle)))
        self._task.add_done_callback(self.tasks.discard)
        self.tasks.add(self._task)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what the caller, who has gone, was waiting for: its images leave the queue uncomputed."""
        super().connection_lost(exc)
        if self._exchange is not None:
            self._exchange.abandon()
        if self._task is not None:
            self._task.cancel()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the parser's words, which are not shown
        """Answer bytes that are no HTTP, and end the connection, since nobody knows where the next request begins."""
        # There may be neither address nor headers.
        path = self.url.partition(b"?")[0] if hasattr(self, "url") else b""
        trouble = Trouble(BAD_REQUEST, "this is not an HTTP request")
        self._write_problem(trouble, path, getattr(self, "headers", None) or [], b"connection: close\r\n")
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which nothing has come for a while; a refusal has not set the timer anew."""
        refused_at, self._refused_at = self._refused_at, None
        if refused_at is None:
            super().timeout_keep_alive_handler()
        else:
            due = refused_at + self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_at(due, self.timeout_keep_alive_handler)

    def _refuse_unparsed(self, data: bytes) -> bool:
        """Refuse what is plainly one whole request; tells whether it was."""
        cycle: RequestResponseCycle | None = self.cycle
        asked = read_plain_request(data)
        if asked is None or (cycle is not None and not cycle.response_complete) or asked.path in self.open_paths:
            return False
        request_id = asked.request_id or make_request_id().encode()
        status_line = STATUS_LINE[self.refusal.status]
        self.transport.write(self.refusal.write(status_line, self.server_state.default_headers, asked.path, request_id))
        self.server_state.total_requests += 1
        self._log(asked.method, self.refusal.status, request_id.decode())
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        else:
            self._refused_at = self.loop.time()
        return True

    def _refuse(self, path: bytes) -> None:
        """Refuse a request that has been parsed; its body is passed over."""
        self.cycle = _Refused()  # type: ignore[assignment]  # all of it that is looked at
        trouble = Trouble(OVERLOADED, f"{self.max_requests} requests are under way already")
        self._write_problem(trouble, path, self.headers)
        self.on_response_complete()

    def _write_problem(self, trouble: Trouble, path: bytes, headers: Headers, header: bytes = b"") -> None:
        request_id = find_request_id(headers) or make_request_id()
        answer = write_problem(trouble, instance=path.decode("ascii", errors="replace"), request_id=request_id)
        self._write(answer, request_id, header)
        self._log(self.parser.get_method(), answer.status, request_id)

    def _log(self, method: bytes, status: int, request_id: str) -> None:
        self.request_log.add(RequestEvent(time.time(), method.decode("ascii"), None, status, 0.0, request_id))

    def _write(self, answer: Answer, request_id: str, header: bytes) -> None:
        """Write an answer in one piece, as uvicorn would."""
        defaults = b"".join([b"%b: %b\r\n" % item for item in self.server_state.default_headers])
        own = b"".join([f"{name}: {value}\r\n".encode("latin-1") for name, value in answer.headers])
        self.transport.write(
            b"%b%b%bcontent-length: %d\r\ncontent-type: %b\r\nx-request-id: %b\r\n%b\r\n%b"
            % (
                STATUS_LINE[answer.status],
                defaults,
                own,
                len(answer.body),
                answer.media_type.encode(),
                request_id.encode(),
                header,
                answer.body,
            )
        )
