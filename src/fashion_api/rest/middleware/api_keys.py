"""API keys: who may use the service, where the operator asks for keys."""

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.errors import UnauthenticatedError
from fashion_api.rest.scope import get_record, get_route_path
from fashion_api.service.keys import ApiKeys
from fashion_api.wire.operation import Headers


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
        if self._keys.are_needed and scope["type"] == "http" and not self._may_pass(scope):
            raise UnauthenticatedError("a valid API key is needed: X-API-Key: KEY, or Authorization: Bearer KEY")
        return self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        if self._is_open(get_route_path(scope)):
            return True
        record = get_record(scope)
        record.key_name = self._keys.find_name(_find_key(scope["headers"]))
        return record.key_name is not None


def _find_key(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
    return b""
