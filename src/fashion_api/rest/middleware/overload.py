"""Refusing requests where too many are under way."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fashion_api.rest.scope import get_route_path, get_service
from fashion_api.service.limits import RequestLimit

_NEED_HEADERS = ("1.0", "1.1")
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH")


class OverloadMiddleware:
    """Counts the requests that are whole and not yet answered, and refuses those beyond the service's limit.

    A request whose body is still arriving does not count: its caller may be slow.

    Args:
        app: what is guarded.
        is_open: tells of a path whether it is always answered, as health is.
    """

    def __init__(self, app: ASGIApp, *, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._is_open = is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it.

        Raises:
            OverloadedError: too many are under way.
        """
        if scope["type"] != "http" or self._is_open(get_route_path(scope)):
            await self._app(scope, receive, send)
            return
        limit = get_service(scope).request_limit
        limit.check()
        if not _has_body(scope):
            limit.under_way += 1
            try:
                await self._app(scope, receive, send)
            finally:
                limit.under_way -= 1
            return
        body = _Body(receive, limit)
        try:
            await self._app(scope, body.receive, send)
        finally:
            body.leave()


def _has_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            return True
        if name == b"content-length":
            return bool(value != b"0")
    # HTTP/2 and 3 need neither header.
    return scope.get("http_version", "1.1") not in _NEED_HEADERS and scope["method"] in _METHODS_WITH_BODY


class _Body:
    """Counts its request from the moment that the body is whole."""

    __slots__ = ("_is_counted", "_limit", "_receive")

    def __init__(self, receive: Receive, limit: RequestLimit) -> None:
        self._receive = receive
        self._limit = limit
        self._is_counted = False

    async def receive(self) -> Message:
        message = await self._receive()
        if not self._is_counted and message["type"] == "http.request" and not message.get("more_body", False):
            self._limit.check()
            self._limit.under_way += 1
            self._is_counted = True
        return message

    def leave(self) -> None:
        if self._is_counted:
            self._limit.under_way -= 1
