"""Limits on what a service takes in at once: whole requests, and the memory of bodies."""

from collections import OrderedDict
from typing import Protocol, Self

from fashion_api.errors import OverloadedError
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.occlusion import VARIANTS
from fashion_api.settings import Settings

MAX_EXPLAINED = 4
"""The most images that one request may have explained."""
UNCOUNTED_BODY_BYTES = 64 * 1024
"""A body of up to so many bytes does not count against the memory of bodies: large ones keep no small one out."""
_STALLED_AFTER_S = 1.0


def find_max_images(settings: Settings, spec: InputSpec) -> int:
    """Find how many images a request may hold: their pixels, which small files may name, are bounded as bodies are."""
    return max(1, min(settings.max_images_per_request, _count_fitting(settings, spec)))


def find_max_explained(settings: Settings, spec: InputSpec) -> int:
    """Find how many images a request may have explained: all that is to be classified fits into queue and memory."""
    fitting = min(settings.max_queue_size, _count_fitting(settings, spec)) // VARIANTS
    return max(1, min(MAX_EXPLAINED, fitting, settings.max_images_per_request))


def _count_fitting(settings: Settings, spec: InputSpec) -> int:
    """Count the images whose pixels fit into the memory of bodies."""
    return settings.max_body_memory_bytes // (spec.height * spec.width * spec.channels)


def find_max_prepared(settings: Settings) -> int:
    """Find how many pictures may wait to be prepared: most of the requests under way are left to others."""
    return max(1, settings.max_concurrent_requests // 4)


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


class BodyMemory:
    """Limits the bytes of large bodies that are in memory together, from their arrival until they are decoded.

    A body that needs room gets that of those that have not grown for a second, longest first: slow callers keep nobody
    out.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._large: OrderedDict[HeldBody, None] = OrderedDict()  # in the order in which they last grew

    @property
    def held_bytes(self) -> int:
        """Bytes of large bodies in memory."""
        return sum(body.size for body in self._large)

    def hold(self) -> "HeldBody":
        """Count a body, in a `with` block, until the block ends."""
        return HeldBody(self)

    def make_room(self, body: "HeldBody", now: float) -> None:
        """Count a body that has grown, and give up others for it that have stalled.

        Raises:
            OverloadedError: there is no room.
        """
        self._large[body] = None
        self._large.move_to_end(body)
        excess = self.held_bytes - self._most_bytes
        given_up: list[HeldBody] = []
        stalled = (other for other in self._large if now - other.grown_at > _STALLED_AFTER_S)
        while excess > 0:
            other = next(stalled, None)
            if other is None:
                raise OverloadedError(f"large bodies of {self._most_bytes} bytes together are in memory already")
            excess -= other.size
            given_up.append(other)
        for other in given_up:
            self.forget(other)
            other.give_up()

    def forget(self, body: "HeldBody") -> None:
        """Count a body no longer."""
        self._large.pop(body, None)


class Reader(Protocol):
    """What reads a body."""

    def end(self) -> None:
        """End the wait for more of the body."""
        ...


class HeldBody:
    """The bytes of one body that are in memory."""

    __slots__ = ("_is_given_up", "_memory", "grown_at", "reader", "size")

    def __init__(self, memory: BodyMemory) -> None:
        self._memory = memory
        self._is_given_up = False
        self.size = 0
        self.grown_at = 0.0
        """The event loop's time."""
        self.reader: Reader | None = None
        """Waits for more of it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._memory.forget(self)

    def add(self, size: int, now: float) -> None:
        """Count bytes that have arrived.

        Args:
            size: how many.
            now: the event loop's time.

        Raises:
            OverloadedError: there is no memory for them.
        """
        self.size += size
        self.grown_at = now
        if self.size > UNCOUNTED_BODY_BYTES:
            self._memory.make_room(self, now)

    def finish(self) -> None:
        """Be whole: from now on it is not given up for another."""
        self.grown_at = float("inf")

    def give_up(self) -> None:
        """End the wait for more of it."""
        self._is_given_up = True
        if self.reader is not None:
            self.reader.end()

    def check(self) -> None:
        """Say why the wait for more ended, where it was given up.

        Raises:
            OverloadedError: it was given up for another.
        """
        if self._is_given_up:
            raise OverloadedError("the body stalled, and its memory was needed for another")
