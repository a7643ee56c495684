"""The calls that are open: how many there may be, which of them makes room for another, and how they end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from fashion_api.errors import BodyTimeoutError, NotReadyError, OverloadedError
from fashion_api.settings import Settings

MAX_GUESTS = 100
"""The most open calls that need no key."""
_SLOW_S = 1.0
"""From then on a message that has not arrived is slow."""
_LOOK_EVERY_S = 0.1
_STOPPING = "the service is stopping"

Task = asyncio.Task[Any]


class _Reading(NamedTuple):
    """A call's wait for its message."""

    began_at: float
    """The event loop's time."""
    timeout_s: float


class OpenCalls:
    """The tasks of open calls. One that is ended from here is cancelled; `find_reason` says why."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_connections
        self._most_slow = max(1, settings.max_body_memory_bytes // settings.max_upload_bytes)
        self._calls: dict[Task, None] = {}
        self._idle: dict[Task, None] = {}  # those of them that have no request, the longest first
        self._reading: dict[Task, _Reading] = {}  # those of them that wait for a message, the same
        self._is_looking = False
        self._guests: dict[Task, str] = {}  # others, which need no key, with their connections
        self._reasons: dict[Task, Exception] = {}
        self._busy = 0  # calls of one request, and requests of streams, that are not yet answered
        self._has_finished = asyncio.Event()
        self.is_stopping = False
        """Whether new requests are refused."""

    def find_reason(self, task: Task) -> Exception | None:
        """Give why a call was ended from here; `None` where it was not."""
        return self._reasons.get(task)

    def admit(self, task: Task) -> None:
        """Count a call, until `leave`.

        Raises:
            NotReadyError: the service is stopping.
            OverloadedError: too many are open, and each has a request.
        """
        self.check_running()
        if len(self._calls) >= self._most:
            if not self._idle:
                raise OverloadedError(f"{self._most} calls are open already")
            self._end(next(iter(self._idle)), OverloadedError("the call had no request, and its room was needed"))
        self._calls[task] = None

    def leave(self, task: Task) -> None:
        """Count a call no longer."""
        self._calls.pop(task, None)
        self._idle.pop(task, None)

    @contextmanager
    def welcome(self, peer: str) -> Iterator[None]:
        """Count the current task's call, which needs no key; where there are too many, end one.

        It is one of the connection that has the most, so that nobody can take the room of all.

        Args:
            peer: the connection.
        """
        task = find_task()
        self._guests[task] = peer
        if len(self._guests) > MAX_GUESTS:
            ((most, _),) = Counter(self._guests.values()).most_common(1)
            first = next(guest for guest, its_peer in self._guests.items() if its_peer == most)
            self._end(first, OverloadedError("too many calls are open that need no key"))
        try:
            yield
        finally:
            self._guests.pop(task, None)

    def set_idle(self, task: Task, *, is_idle: bool) -> None:
        """Say whether a call has no request."""
        if is_idle and task in self._calls:
            self._idle[task] = None
        else:
            self._idle.pop(task, None)

    def begin_reading(self, task: Task, now: float, timeout_s: float) -> None:
        """Watch a call that waits for its message, until `finish_reading`.

        Where the message does not come in time, the call is ended; where too many messages are slow, the one that has
        been waited for longest is. What has arrived of a message is known to gRPC only, and takes its memory.

        Args:
            task: the call's.
            now: the event loop's time.
            timeout_s: how long the message may take.
        """
        self._reading[task] = _Reading(now, timeout_s)
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def finish_reading(self, task: Task) -> None:
        """Watch it no longer."""
        self._reading.pop(task, None)

    def _look(self) -> None:
        """End the calls whose messages are late."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, reading in list(self._reading.items()):
            if now - reading.began_at >= reading.timeout_s:
                self._end(task, BodyTimeoutError(f"the message did not arrive within {reading.timeout_s:g} s"))
        slow = [task for task, reading in self._reading.items() if now - reading.began_at >= _SLOW_S]
        for task in slow[: max(0, len(slow) - self._most_slow)]:
            self._end(task, OverloadedError("the message stalled, and its memory was needed for another"))
        self._is_looking = bool(self._reading)
        if self._is_looking:
            loop.call_later(_LOOK_EVERY_S, self._look)

    def _end(self, task: Task, reason: Exception) -> None:
        """End a call; it counts no longer."""
        calls: tuple[dict[Task, Any], ...] = (self._calls, self._idle, self._reading, self._guests)
        for each in calls:
            each.pop(task, None)
        self._reasons[task] = reason
        task.add_done_callback(self._reasons.pop)
        task.cancel()

    def begin_request(self) -> None:
        """Count a request until it is answered.

        Raises:
            NotReadyError: the service is stopping.
        """
        self.check_running()
        self._busy += 1

    def finish_requests(self, count: int = 1) -> None:
        """Count requests no longer."""
        self._busy -= count
        if self.is_stopping and not self._busy:
            self._has_finished.set()

    def check_running(self) -> None:
        """Check that new requests are taken.

        Raises:
            NotReadyError: the service is stopping.
        """
        if self.is_stopping:
            raise NotReadyError(_STOPPING)

    async def stop(self, timeout_s: float) -> None:
        """Refuse new requests, finish those under way, and end all calls.

        Args:
            timeout_s: how long they have to finish; those that are not over then are refused.
        """
        self.is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self._busy:
                    await self._has_finished.wait()
        for task in (*self._calls, *self._guests):
            self._end(task, NotReadyError(_STOPPING))


def find_task() -> Task:
    """Give the current task."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # for the type checker
    return task
