"""API keys: who may use the service, where the operator asks for keys. Pure ASGI, before any route."""

import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import SecretStr
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest import problems as errors
from fashion_api.wire.operation import Headers

_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "One of FASHION_API_KEYS."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "One of FASHION_API_KEYS."},
}


class ApiKeys:
    """The keys that are accepted."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self._keys = [key.get_secret_value().encode() for key in keys]

    def accept(self, headers: Headers) -> bool:
        """Tell whether a request may be answered; where no keys are asked for, any may."""
        return not self._keys or self._is_known(_find_key(headers))

    def _is_known(self, shown: bytes) -> bool:
        # Each is compared, so that the time taken tells nothing of which one was near.
        return any([secrets.compare_digest(shown, known) for known in self._keys])  # noqa: C419  # see above


class ApiKeyMiddleware:
    """Answers 401 to whoever shows no valid key; what is open to all is listed, and everything else is not.

    Args:
        app: what is guarded.
        keys: those that are accepted.
        open_paths: needs no key, nor does what is below one that ends with a slash.
    """

    def __init__(self, app: ASGIApp, keys: ApiKeys, open_paths: Iterable[str]) -> None:
        self._app = app
        self._keys = keys
        self._open_paths = frozenset(open_paths)
        self._open_prefixes = tuple(path for path in self._open_paths if path.endswith("/") and path != "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] != "http" or self._is_open(scope["path"]) or self._keys.accept(scope["headers"]):
            await self._app(scope, receive, send)
            return
        detail = "a valid API key is needed: X-API-Key: KEY, or Authorization: Bearer KEY"
        response = errors.problem_response(Request(scope), errors.Problem(errors.UNAUTHORIZED, detail))
        await response(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return path in self._open_paths or path.startswith(self._open_prefixes)


def _find_key(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"x-api-key":
            return bytes(value)
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return bytes(value[7:].strip())
    return b""


def describe_keys(openapi: dict[str, Any], open_paths: Iterable[str]) -> None:
    """Say in the OpenAPI description which routes need a key, and how it is shown."""
    openapi["components"]["securitySchemes"] = _SCHEMES
    for path in openapi["paths"].keys() - set(open_paths):
        for operation in openapi["paths"][path].values():
            operation["security"] = [{name: []} for name in _SCHEMES]
            for status, response in errors.responses(errors.UNAUTHORIZED).items():
                problem = {"$ref": "#/components/schemas/Problem"}
                content = {errors.PROBLEM_MEDIA_TYPE: {"schema": problem}}
                operation["responses"].setdefault(str(status), {**response, "content": content}).pop("model", None)
