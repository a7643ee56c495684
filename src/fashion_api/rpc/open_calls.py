"""The calls that are open: how many there may be, which of them makes room for another, and how they end."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from fashion_api.errors import BodyTimeoutError, NotReadyError, OverloadedError
from fashion_api.settings import Settings

MAX_GUESTS = 100
"""The most open calls that need no key."""
_MOST_UNTAKEN = 1000
"""The most answers that wait to be taken, beside one for each call that may be open."""
_SLOW_S = 1.0
"""From then on a message that has not arrived is slow, and so is a caller who takes no answer."""
_LOOK_EVERY_S = 0.1
_STOPPING = "the service is stopping"

Task = asyncio.Task[Any]


class _Reading(NamedTuple):
    """A call's wait for its message."""

    began_at: float
    """The event loop's time."""
    timeout_s: float


class OpenCalls:
    """The tasks of open calls. One that is ended from here is cancelled; `find_reason` says why.

    Args:
        settings: have the limits.
        reset: ends a call that takes no answer, and so no status.
    """

    def __init__(self, settings: Settings, reset: Callable[[Task], None]) -> None:
        self._reset = reset
        self._most = settings.max_connections
        self._most_untaken = settings.max_connections + _MOST_UNTAKEN
        self._untaken_s = settings.keep_alive_s
        self._most_slow = max(1, settings.max_body_memory_bytes // settings.max_upload_bytes)
        self._calls: dict[Task, None] = {}
        self._idle: dict[Task, None] = {}  # those of them that have no request, the longest first
        self._reading: dict[Task, _Reading] = {}  # those of them that wait for a message, the same
        self._is_looking = False
        self._untaken: dict[Task, float] = {}  # those whose answers wait to be taken, since when, the longest first
        self._guests: dict[Task, str] = {}  # others, which need no key, with their connections
        self._reasons: dict[Task, Exception] = {}
        self._tables: tuple[dict[Task, Any], ...] = (
            self._calls,
            self._idle,
            self._reading,
            self._untaken,
            self._guests,
            self._reasons,
        )
        self._busy = 0  # calls of one request, and requests of streams, that are not yet answered
        self._has_finished = asyncio.Event()
        self.is_stopping = False
        """Whether new requests are refused."""
        self._has_ended = False
        self._may_refuse = asyncio.Event()
        self._may_refuse.set()

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
        """Count a call no longer: it is answered."""
        self._calls.pop(task, None)
        self._idle.pop(task, None)

    def forget(self, task: Task) -> None:
        """Know nothing more of a call: its answer has been taken, or it is over otherwise."""
        for table in self._tables:
            table.pop(task, None)

    def welcome(self, task: Task, peer: str) -> None:
        """Count a call that needs no key, until `forget`; where there are too many, end one.

        It is one of the connection that has the most, so that nobody can take the room of all.

        Args:
            task: the call's.
            peer: the connection.
        """
        self._guests[task] = peer
        if len(self._guests) > MAX_GUESTS:
            ((most, _),) = Counter(self._guests.values()).most_common(1)
            first = next(guest for guest, its_peer in self._guests.items() if its_peer == most)
            self._end(first, OverloadedError("too many calls are open that need no key"))

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
        self._begin_looking()

    def finish_reading(self, task: Task) -> None:
        """Watch it no longer."""
        self._reading.pop(task, None)

    def begin_answer(self, task: Task) -> None:
        """Watch a call whose answer or status is sent, until `finish_answer` or `forget`.

        Where nobody takes it, the call is reset after a time; earlier, where there are too many or room is needed.
        """
        self._untaken[task] = asyncio.get_running_loop().time()
        if len(self._untaken) > self._most_untaken:
            self._drop(next(iter(self._untaken)))
        self._begin_looking()

    def finish_answer(self, task: Task) -> None:
        """Watch it no longer."""
        del self._untaken[task]
        self._idle.pop(task, None)
        if self._has_ended:
            self._end(task, NotReadyError(_STOPPING))

    def _begin_looking(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            asyncio.get_running_loop().call_later(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        """End the calls whose messages are late, and those whose answers are not taken."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for task, reading in list(self._reading.items()):
            if now - reading.began_at >= reading.timeout_s:
                self._end(task, BodyTimeoutError(f"the message did not arrive within {reading.timeout_s:g} s"))
        slow = [task for task, reading in self._reading.items() if now - reading.began_at >= _SLOW_S]
        for task in slow[: max(0, len(slow) - self._most_slow)]:
            self._end(task, OverloadedError("the message stalled, and its memory was needed for another"))
        for task, since in list(self._untaken.items()):
            if now - since >= self._untaken_s:
                self._drop(task)
            elif now - since >= _SLOW_S:
                self.set_idle(task, is_idle=True)
        self._is_looking = bool(self._reading or self._untaken)
        if self._is_looking:
            loop.call_later(_LOOK_EVERY_S, self._look)

    def _end(self, task: Task, reason: Exception) -> None:
        """End a call; it counts no longer."""
        if task in self._untaken:  # a status would not be taken either
            self._drop(task)
            return
        self.forget(task)
        self._reasons[task] = reason
        task.cancel()

    def _drop(self, task: Task) -> None:
        """End a call whose caller takes nothing."""
        self.forget(task)
        self._reset(task)

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

    async def wait_to_refuse(self, task: Task) -> None:
        """Wait until a call's refusal may be sent: at once, except between `finish` and `end_all`."""
        if not self._may_refuse.is_set():
            self._guests.pop(task, None)  # `end_all` would end its refusal
            await self._may_refuse.wait()

    async def finish(self, timeout_s: float) -> None:
        """Refuse new requests, and finish those under way; from then on refusals wait.

        Args:
            timeout_s: how long they have to finish.
        """
        self.is_stopping = True
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                if self._busy:
                    await self._has_finished.wait()
        self._may_refuse.clear()

    def end_all(self) -> None:
        """Refuse all calls that are still open; one whose answer is being taken, when it is."""
        self._may_refuse.set()
        self._has_ended = True
        now = asyncio.get_running_loop().time()
        for task in (*self._calls, *self._guests):
            if now - self._untaken.get(task, -math.inf) >= _SLOW_S:
                self._end(task, NotReadyError(_STOPPING))


def find_task() -> Task:
    """Give the current task."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # for the type checker
    return task
