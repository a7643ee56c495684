"""Whose request it is: how clients are named, to whom limits apply."""

import functools
from ipaddress import IPv6Address, ip_address

_NETWORK_BITS = 64
"""Of an address of IPv6: the rest is the client's own to choose."""


def name_client(key_name: str | None, host: str) -> str:
    """Name a client: by its key, or else by its address."""
    return name_address(host) if key_name is None else f"key {key_name}"


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
