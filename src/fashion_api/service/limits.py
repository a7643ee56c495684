"""Limits on what a service takes in at once: whole requests, and the memory of bodies."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fashion_api.errors import OverloadedError

UNCOUNTED_BODY_BYTES = 64 * 1024
"""The first bytes of each body that do not count against the memory of bodies, so that no large body keeps a small one
out."""
_STALLED_AFTER_S = 1.0


class RequestLimit:
    """Limits the requests that are whole and not yet answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.under_way = 0

    def check(self) -> None:
        """Refuse a request where there are too many.

        Raises:
            OverloadedError: as many as there may be are under way.
        """
        if self.under_way >= self._most:
            raise OverloadedError(f"{self._most} requests are under way already")


class HeldBody:
    """The bytes of one body that are in memory."""

    __slots__ = ("_evict", "_memory", "last_progress_s", "size")

    def __init__(self, memory: "BodyMemory", evict: Callable[[], None]) -> None:
        self._memory = memory
        self._evict = evict
        self.size = 0
        self.last_progress_s = 0.0

    def add(self, size: int, now_s: float) -> None:
        """Count bytes that have arrived.

        Args:
            size: how many.
            now_s: the event loop's time.

        Raises:
            OverloadedError: there is no memory for them.
        """
        self.size += size
        self.last_progress_s = now_s
        if self.size > UNCOUNTED_BODY_BYTES:
            self._memory.make_room(self, now_s)

    def evict(self) -> None:
        """Have whoever reads this body give it up."""
        self._evict()


class BodyMemory:
    """Limits the bytes of large bodies that are in memory together, from their arrival until they are decoded.

    Where a body needs room, the one that has stalled for longest is given up for it, if one has not grown for a second:
    slow callers keep nobody out.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._large: OrderedDict[HeldBody, None] = OrderedDict()  # the one that grew last is the last

    @property
    def held_bytes(self) -> int:
        """Bytes of large bodies in memory."""
        return sum(body.size for body in self._large)

    @contextmanager
    def hold(self, evict: Callable[[], None]) -> Iterator[HeldBody]:
        """Count a body until the block ends.

        Args:
            evict: called where the body is to be given up for another.
        """
        body = HeldBody(self, evict)
        try:
            yield body
        finally:
            self._large.pop(body, None)

    def make_room(self, body: HeldBody, now_s: float) -> None:
        """Count a body that has grown large, and give up others that have stalled where that makes the room.

        Raises:
            OverloadedError: there is no room.
        """
        self._large[body] = None
        self._large.move_to_end(body)
        excess = self.held_bytes - self._most_bytes
        if excess <= 0:
            return
        for other in list(self._large):
            if now_s - other.last_progress_s < _STALLED_AFTER_S:
                break
            del self._large[other]
            other.evict()
            excess -= other.size
            if excess <= 0:
                return
        raise OverloadedError(f"large bodies of {self._most_bytes} bytes together are in memory already")
