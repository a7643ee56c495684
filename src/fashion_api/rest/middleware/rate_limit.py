"""Refusing the requests of clients that ask for too many images."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest.scope import get_record, get_route_path, get_service
from fashion_api.service.clients import name_client


class RateLimitMiddleware:
    """Counts each request as one image of its client, who is known by the name of the API key, or else by the address.

    Who reads a request's images counts those beyond the first.

    Args:
        app: what is guarded.
        is_exempt: tells of a path whether it is not counted, as health is.
    """

    def __init__(self, app: ASGIApp, *, is_exempt: Callable[[str], bool]) -> None:
        self._app = app
        self._is_exempt = is_exempt

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or refuse it.

        Raises:
            RateLimitedError: its client has asked for too many images.
        """
        if scope["type"] == "http" and not self._is_exempt(get_route_path(scope)):
            limit = get_service(scope).rate_limit
            if limit is not None:
                record = get_record(scope)
                client = scope.get("client")
                record.client = name_client(record.key_name, "" if client is None else client[0])
                limit.take(record.client)
        return self._app(scope, receive, send)
