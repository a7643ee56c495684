"""Request ids, one log line a request, and the last border for errors: pure ASGI, outside all of the routes."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_api.errors import internal_error_response

logger = logging.getLogger(__name__)

_REQUEST_ID = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_CLIENT_CLOSED_REQUEST = 499  # nginx's number for a caller who went away before the answer


class RequestLogMiddleware:
    """Gives every request an id, its caller's own if that is sane, and writes one line about it when it is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(_REQUEST_ID, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        scope["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[_REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("unhandled error", extra={"request_id": request_id})
            if status:  # too late for another answer: the server cuts the connection
                raise
            await internal_error_response(Request(scope))(scope, receive, send_with_id)
        finally:
            _log(scope, status or _CLIENT_CLOSED_REQUEST, time.perf_counter() - started)


def _log(scope: Scope, status: int, duration_s: float) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    route = getattr(scope.get("route"), "path", None)  # the template, never what a caller has written
    duration_ms = round(duration_s * 1e3, 3)
    logger.info(
        "%s %s %d %.1f ms %s",
        scope["method"],
        route or "(no route)",
        status,
        duration_ms,
        scope["request_id"],
        extra={
            "method": scope["method"],
            "route": route,
            "status": status,
            "duration_ms": duration_ms,
            "request_id": scope["request_id"],
        },
    )
