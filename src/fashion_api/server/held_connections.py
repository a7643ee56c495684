"""Connections that are not read for a while, because a request on them was refused for overload. See docs/adr/0014."""

import asyncio
from typing import Protocol

from fashion_api.rest.problems import RETRY_AFTER_S

ANSWERS_A_RELEASE = 8
"""After so many answers, one connection is read again: most callers ask again when they are answered, and there is no
room for those who were refused as well. Each that is read too early costs another refusal."""
_HOLD_S = 0.9 * RETRY_AFTER_S  # a caller that heeds Retry-After finds its connection read again


class Held(Protocol):
    """A connection that can be held."""

    def go_on(self) -> None:
        """Be read again."""


class HeldConnections:
    """Those that are held: each until its turn comes, or its time is over. They have one timer together.

    Args:
        silence_s: after how many seconds without a request, or without its body's end, a connection is closed. None is
            held for that long, since it may have a request that is not read.
    """

    def __init__(self, silence_s: float) -> None:
        self._hold_s = min(_HOLD_S, silence_s / 2)
        self._until: dict[Held, float] = {}  # the event loop's time; the longest held first
        self._answers = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._until)

    def add(self, connection: Held) -> None:
        """Hold a connection; whoever calls stops reading it."""
        loop = asyncio.get_running_loop()
        self._until[connection] = loop.time() + self._hold_s
        if self._timer is None:
            self._timer = loop.call_later(self._hold_s, self._release_due)

    def discard(self, connection: Held) -> None:
        """Forget a connection that is over."""
        self._until.pop(connection, None)

    def count_answer(self) -> None:
        """Note that a request was answered, on any connection; now and then, that makes room for one that is held."""
        if self._until:
            self._answers += 1
            if self._answers % ANSWERS_A_RELEASE == 0:
                self._release(next(iter(self._until)))

    def release_all(self) -> None:
        """Have all read again."""
        for connection in tuple(self._until):
            self._release(connection)

    def _release(self, connection: Held) -> None:
        del self._until[connection]
        connection.go_on()

    def _release_due(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in [connection for connection, until in self._until.items() if until <= now]:
            self._release(connection)
        first = next(iter(self._until.values()), None)
        self._timer = None if first is None else loop.call_at(first, self._release_due)
