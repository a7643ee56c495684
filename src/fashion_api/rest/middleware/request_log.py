"""Request ids, the request log and what every response has: outside of everything but the proxy's headers."""

import logging
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_api.rest.scope import HttpRecord, find_refusal, find_route, is_draining, keep_record
from fashion_api.service.events import RequestEvent, TraceContext
from fashion_api.service.request_log import REQUEST_ID, RequestLog, find_request_id, make_request_id
from fashion_api.wire.operation import Headers
from fashion_api.wire.trace_context import TRACE_RESPONSE, read_trace_context, write_trace_response

logger = logging.getLogger(__name__)

_NO_SNIFFING = (b"x-content-type-options", b"nosniff")
CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a caller who disconnected before the response."""


class RequestLogMiddleware:
    """Gives every request an id, its caller's own if that is sane, and logs it when it is over.

    No response may be taken for another type than it says.
    While the service drains, responses ask their callers to connect anew.

    Args:
        app: what is served.
        log: takes the requests in; whoever made it flushes it in the end.
        find_trace: gives a request's place in a trace, from its headers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: RequestLog,
        find_trace: Callable[[Headers], TraceContext | None] = read_trace_context,
    ) -> None:
        self._app = app
        self._log = log
        self._find_trace = find_trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = find_request_id(scope["headers"]) or make_request_id()
        trace = self._find_trace(scope["headers"])
        record = HttpRecord(request_id, scope.get("root_path", ""), started_at=started, trace=trace)
        keep_record(scope, record)
        own_headers = [(REQUEST_ID, record.request_id.encode()), _NO_SNIFFING]
        if trace is not None and trace.span_id is not None:
            own_headers.append((TRACE_RESPONSE, write_trace_response(trace)))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                headers = [*message["headers"], *own_headers]
                if is_draining(scope) and scope.get("http_version") == "1.1":
                    headers.append((b"connection", b"close"))
                message["headers"] = headers
            try:
                await send(message)
            except (OSError, RuntimeError) as error:  # uvloop's is a RuntimeError
                logger.debug("the response could not be sent", exc_info=True)
                record.status = CLIENT_CLOSED_REQUEST
                raise ClientDisconnect from error

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            pass  # nobody is there to be answered
        finally:
            status = record.status
            if not status:
                status, record.refusal = find_refusal(scope) or (CLIENT_CLOSED_REQUEST, record.refusal)
            duration_ms = (time.perf_counter() - started) * 1e3
            self._log.add(
                RequestEvent(
                    time.time(),
                    scope["method"],
                    find_route(scope),
                    status,
                    duration_ms,
                    record.request_id,
                    record.refusal,
                    record.work,
                    trace,
                    record.key_name,
                    scope.get("scheme", "http"),
                    record.batches,
                )
            )
