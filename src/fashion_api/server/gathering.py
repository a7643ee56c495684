"""The transport that a server's protocol has: it gathers what is written, and two may pause its reading.

Servers write the head of a response and the beginning of its body one after the other. Each would be a system call, a
packet, and a wake-up of the caller.
"""

import asyncio
from collections.abc import Callable
from typing import Any

_HEAD = b"HTTP/"
_LENGTH = b"\r\ncontent-length: "
"""Says that the body is whole, or nearly: a stream has none, and its head is not held back."""


class GatheringTransport:
    """Stands for a transport: `write` keeps the head of a response with a length until the next `write` or `flush`.

    It reads while neither the server's protocol has paused it, nor what stands before that has it held.
    """

    __slots__ = ("_close", "_head", "_is_closed", "_is_paused", "_transport", "is_held")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], object]) -> None:
        self._transport = transport
        self._close = close
        self._head = b""
        self._is_closed = False
        self._is_paused = False
        self.is_held = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever a transport has
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        """Whether the transport is closed, or is about to be."""
        return self._is_closed or self._transport.is_closing()

    def pause_reading(self) -> None:
        """Have nothing more read, until `resume_reading`."""
        self._is_paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Go on reading, if it was paused, and unless it is held."""
        was_paused, self._is_paused = self._is_paused, False
        if was_paused and not self.is_held:
            self._transport.resume_reading()

    def hold(self) -> None:
        """Have nothing more read, until `release`."""
        self.is_held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Go on reading, unless it is paused."""
        self.is_held = False
        if not self._is_paused:
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send it, or keep it for a moment."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD) and _LENGTH in data:
            self._head = data
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Send what was kept, if the transport is not closed yet."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """Send what was kept, and have the transport closed."""
        self.flush()
        self._is_closed = True
        self._close()
