"""Refusing the requests of clients that ask for too many images."""

import functools
from collections.abc import Awaitable, Callable
from ipaddress import IPv6Address, ip_address

from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest.scope import get_record, get_route_path, get_service

_NETWORK_BITS = 64
"""Of an address of IPv6: the rest is the client's own to choose."""


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
                record.client = find_client(scope, record.key_name)
                limit.take(record.client)
        return self._app(scope, receive, send)


def find_client(scope: Scope, key_name: str | None) -> str:
    """Name whom a request comes from."""
    if key_name is not None:
        return f"key {key_name}"
    client = scope.get("client")
    return name_address("" if client is None else client[0])


@functools.lru_cache(maxsize=1024)
def name_address(host: str) -> str:
    """Name an address of IPv4, or the /64 of one of IPv6, within which a client may have as many as it likes."""
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket, say
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _NETWORK_BITS << _NETWORK_BITS))
