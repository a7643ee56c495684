"""API keys: who may use the service, where the operator asks for keys."""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.errors import UnauthenticatedError
from fashion_api.rest.scope import get_route_path
from fashion_api.wire.operation import Headers


class ApiKeyMiddleware:
    """Refuses requests without a valid key; paths that are not open need one, also those added later.

    Args:
        app: what is guarded.
        keys: those that are accepted; without any, every request may pass.
        is_open: tells of a path whether it needs no key.
    """

    def __init__(self, app: ASGIApp, *, keys: Sequence[SecretStr], is_open: Callable[[str], bool]) -> None:
        self._app = app
        self._keys = [key.get_secret_value().encode() for key in keys]
        self._is_open = is_open

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request, or refuse it.

        Raises:
            UnauthenticatedError: it has no valid key.
        """
        if self._keys and scope["type"] == "http" and not self._may_pass(scope):
            raise UnauthenticatedError("a valid API key is needed: X-API-Key: KEY, or Authorization: Bearer KEY")
        return self._app(scope, receive, send)

    def _may_pass(self, scope: Scope) -> bool:
        return self._is_open(get_route_path(scope)) or self._is_known(_find_key(scope["headers"]))

    def _is_known(self, shown: bytes) -> bool:
        # Each is compared, so that the time it takes does not say which key was near.
        return any([secrets.compare_digest(shown, known) for known in self._keys])  # noqa: C419  # see above


def _find_key(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
    return b""
