"""API keys: who may use the service, where the operator asks for keys."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest.scope import get_record, get_route_path
from fashion_api.service.keys import ApiKeys


class ApiKeyMiddleware:
    """Refuses requests without a valid key, and keeps the key's name in the request's record.

    Paths that are not open need one, also those added later.

    Args:
        app: what is guarded.
        keys: those that are in force; where none is needed, every request may pass.
        is_open: tells of a path whether it needs no key.
    """

    def __init__(self, app: ASGIApp, *, keys: ApiKeys, is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._keys = keys
        self._is_open = is_open

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or refuse it.

        Raises:
            UnauthenticatedError: it has no valid key.
        """
        if scope["type"] == "http" and self._keys.are_needed and not self._is_open(get_route_path(scope)):
            get_record(scope).key_name = self._keys.identify(scope["headers"])
        return self._app(scope, receive, send)
