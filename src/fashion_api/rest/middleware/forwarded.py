"""What a proxy in front of the service was asked for, and by whom: path prefix, scheme and address."""

import functools
import re
from collections.abc import Awaitable, Sequence
from ipaddress import IPv6Address, ip_address

from pydantic import IPvAnyNetwork
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = re.compile(r"(/[A-Za-z0-9_.~-]+)+")
_WITH_PORT = re.compile(r"\[([^\]]*)\](?::\d+)?|([\d.]+):\d+")
_SCHEMES = ("http", "https")


class ForwardedMiddleware:
    """Puts prefix, scheme and the client's address into the scope, where redirects, pages and limits take them from.

    The prefix is the service's own setting, or the header X-Forwarded-Prefix of a trusted proxy, whether or not the
    proxy removes it from the path. The scheme is the header X-Forwarded-Proto of a trusted proxy. The address is
    the last one in its X-Forwarded-For that is none of a trusted proxy: those before it are what its client has
    written.

    Args:
        app: what is served.
        root_path: the service's own prefix; empty for none.
        trusted_proxies: addresses whose headers are believed.
    """

    def __init__(self, app: ASGIApp, *, root_path: str, trusted_proxies: Sequence[IPvAnyNetwork]) -> None:
        self._app = app
        self._root_path = root_path
        self._is_trusted = functools.lru_cache(maxsize=1024)(functools.partial(_is_in_networks, trusted_proxies))

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request."""
        if scope["type"] == "http":
            self._adapt(scope)
        return self._app(scope, receive, send)

    def _adapt(self, scope: Scope) -> None:
        prefix = self._root_path
        client = scope.get("client")
        hops: list[str] = []
        for name, value in scope["headers"]:
            if name.startswith(b"x-forwarded-") and client is not None and self._is_trusted(client[0]):
                if name == b"x-forwarded-for":
                    hops += value.decode("latin-1").split(",")
                    continue
                text = value.decode("latin-1").partition(",")[0].strip()
                if name == b"x-forwarded-proto" and text in _SCHEMES:
                    scope["scheme"] = text
                elif name == b"x-forwarded-prefix" and _PREFIX.fullmatch(text.rstrip("/")):
                    prefix = text.rstrip("/")
        if prefix:
            _set_prefix(scope, prefix)
        if client is not None and hops:
            scope["client"] = (self._find_caller(hops, client[0]), 0)

    def _find_caller(self, hops: Sequence[str], nearest: str) -> str:
        for hop in reversed(hops):
            address = _read_address(hop.strip())
            if address is None:
                break
            nearest = address
            if not self._is_trusted(address):
                break
        return nearest


def _set_prefix(scope: Scope, prefix: str) -> None:
    root_path, path = scope.get("root_path", ""), scope["path"]
    if not f"{path}/".startswith(f"{prefix}/"):
        scope["path"] = prefix + path
        if scope.get("raw_path") is not None:
            scope["raw_path"] = prefix.encode() + scope["raw_path"]
        scope["root_path"] = prefix + root_path
    elif not f"{root_path}/".startswith(f"{prefix}/"):
        scope["root_path"] = prefix + root_path


def _read_address(hop: str) -> str | None:
    """Give the address of a hop, which may have a port; `None` where it is none."""
    match = _WITH_PORT.fullmatch(hop)
    try:
        return str(ip_address((match[1] or match[2]) if match else hop))
    except ValueError:
        return None


def _is_in_networks(networks: Sequence[IPvAnyNetwork], host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:  # a Unix socket, say
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:  # on a socket for both
        address = address.ipv4_mapped
    return any(address in network for network in networks)
