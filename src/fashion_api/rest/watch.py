"""Requests that take long: bodies that arrive late, and callers that disconnect while they wait."""

import asyncio
from typing import TYPE_CHECKING, Protocol

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from fashion_api.errors import FashionError

if TYPE_CHECKING:
    from fashion_api.inference.classifier import Predictions

_INTERVAL_S = 0.03


class Watched(Protocol):
    """A part of a request that may take long."""

    def check(self, now: float) -> None:
        """Do what is due at `now`, the event loop's time."""
        ...


class Watch:
    """Checks all that is watched every 30 ms: one timer for all requests, where one for each would cost it 4 µs."""

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, watched: Watched) -> None:
        """Watch something; to be called on the event loop."""
        self._watched[watched] = None
        if self._timer is None:
            self._schedule()

    def remove(self, watched: Watched) -> None:
        """Watch something no longer."""
        del self._watched[watched]

    def _schedule(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_INTERVAL_S, self._check_all)

    def _check_all(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for watched in list(self._watched):
            watched.check(now)
        if self._watched:
            self._schedule()


class BodyReader:
    """A task that reads a body, until a deadline."""

    __slots__ = ("_deadline", "_task", "is_over")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._task = asyncio.current_task()
        self.is_over = False

    def check(self, now: float) -> None:
        """End the task's wait at the deadline."""
        if now >= self._deadline:
            self.end()

    def end(self) -> None:
        """End the task's wait: it is cancelled, and `resume` goes on."""
        if not self.is_over and self._task is not None:
            self.is_over = True
            self._task.cancel()

    def resume(self) -> None:
        """Go on in the task whose wait was ended.

        Raises:
            CancelledError: the task was cancelled by somebody else.
        """
        if not self.is_over or self._task is None or self._task.uncancel():
            raise asyncio.CancelledError


class Caller:
    """A caller that waits for an answer; whether it disconnects is listened for once it has waited for some time."""

    __slots__ = ("_answer", "_has_waited", "_listener", "_receive")

    def __init__(self, receive: Receive, answer: "asyncio.Future[Predictions]") -> None:
        self._receive = receive
        self._answer = answer
        self._has_waited = False
        self._listener: asyncio.Task[None] | None = None

    def check(self, now: float) -> None:  # noqa: ARG002  # it waits for no time of day, but for its second check
        """Listen from the second check on: the caller has waited for 30 ms or more."""
        if self._listener is None and self._has_waited:
            self._listener = asyncio.get_running_loop().create_task(self._listen())
        self._has_waited = True

    def stop(self) -> None:
        """Listen no longer."""
        if self._listener is not None:
            self._listener.cancel()

    async def _listen(self) -> None:
        error: Exception = ClientDisconnect()
        try:
            while (await self._receive())["type"] != "http.disconnect":
                pass
        except FashionError as refusal:  # a body that the operation does not read became whole, and was one too many
            error = refusal
        if not self._answer.done():
            self._answer.set_exception(error)
