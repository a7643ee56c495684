"""A transport that sends what is written in one turn of the event loop together.

Servers write the head of a response and its body one after the other. Each would be a system call, and a packet.
"""

import asyncio
from typing import Any


class GatheringTransport:
    """Stands for a transport: `write` keeps what it gets until `flush`, `close` or the next turn of the event loop."""

    __slots__ = ("_is_scheduled", "_kept", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._kept: list[bytes] = []
        self._is_scheduled = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a transport has
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether the transport is closed, or is about to be."""
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send it soon; where the transport is closed already, that raises what it raises."""
        if self._transport.is_closing():
            self._transport.write(data)
            return
        self._kept.append(data)
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_in_turn)

    def flush(self) -> None:
        """Send what was kept."""
        kept, self._kept = self._kept, []
        if kept and not self._transport.is_closing():
            self._transport.write(b"".join(kept))

    def close(self) -> None:
        """Send what was kept, and close the transport."""
        self.flush()
        self._transport.close()

    def _flush_in_turn(self) -> None:
        self._is_scheduled = False
        self.flush()
