"""The calls that are open: how many there may be, which of them makes room for another, and how they end."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from fashion_api.errors import NotReadyError, OverloadedError
from fashion_api.settings import Settings

MAX_GUESTS = 100
"""The most open calls that need no key."""
_SLOW_S = 1.0
"""From then on a message that has not arrived is slow."""
_STOPPING = "the service is stopping"

Task = asyncio.Task[Any]


class OpenCalls:
    """The tasks of open calls. One that is ended from here is cancelled; `find_reason` says why."""

    def __init__(self, settings: Settings) -> None:
        self._most = settings.max_connections
        self._most_slow = max(1, settings.max_body_memory_bytes // settings.max_upload_bytes)
        self._calls: dict[Task, None] = {}
        self._idle: dict[Task, None] = {}  # those of them that have no request, the longest first
        self._slow: dict[Task, None] = {}  # those of them whose message is slow, the same
        self._guests: dict[Task, str] = {}  # others, which need no key, with their connections
        self._reasons: dict[Task, Exception] = {}
        self._busy = 0  # calls of one request, and requests of streams, that are not yet answered
        self._has_finished = asyncio.Event()
        self.is_stopping = False
        """Whether new requests are refused."""

    def find_reason(self, task: Task) -> Exception | None:
        """Give why a call was ended from here; `None` where it was not."""
        return self._reasons.get(task)

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count the current task's call while the block runs.

        Raises:
            NotReadyError: the service is stopping.
            OverloadedError: too many are open, and each has a request.
        """
        self.check_running()
        task = find_task()
        if len(self._calls) >= self._most:
            if not self._idle:
                raise OverloadedError(f"{self._most} calls are open already")
            self._end(next(iter(self._idle)), OverloadedError("the call had no request, and its room was needed"))
        self._calls[task] = None
        try:
            yield
        finally:
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

    @contextmanager
    def watch_reading(self) -> Iterator[None]:
        """Where too many messages are slow, end the call that has waited for its own for longest.

        What has arrived of a message is known to gRPC only, and takes its memory.
        """
        task = find_task()
        timer = asyncio.get_running_loop().call_later(_SLOW_S, self._mark_slow, task)
        try:
            yield
        finally:
            timer.cancel()
            self._slow.pop(task, None)

    def _mark_slow(self, task: Task) -> None:
        self._slow[task] = None
        if len(self._slow) > self._most_slow:
            first = next(iter(self._slow))
            self._end(first, OverloadedError("the message stalled, and its memory was needed for another"))

    def _end(self, task: Task, reason: Exception) -> None:
        """End a call; it counts no longer."""
        for calls in (self._calls, self._idle, self._slow, self._guests):
            calls.pop(task, None)
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
