"""Requests that take long."""

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.requests import ClientDisconnect

from fashion_api.errors import OverloadedError
from fashion_api.rest.watch import Caller, Watch
from tests.clock import put_clock_forward, run, turn_over

if TYPE_CHECKING:
    from fashion_api.inference.classifier import Predictions


class Counter:
    """Counts how often it is checked."""

    def __init__(self) -> None:
        self.checks = 0

    def check(self, now: float) -> None:
        assert now <= asyncio.get_running_loop().time()
        self.checks += 1


def test_what_is_watched_is_checked_until_it_is_not() -> None:
    """Each is checked once an interval, as long as it is watched."""

    async def test() -> None:
        watch, first, second = Watch(), Counter(), Counter()
        watch.add(first)
        watch.add(second)
        await put_clock_forward(0.04)
        watch.remove(first)
        await put_clock_forward(0.04)
        watch.remove(second)
        await put_clock_forward(0.04)
        assert (first.checks, second.checks) == (1, 2)

    run(test)


def test_watch_rests_and_begins_anew() -> None:
    """With nothing to watch there is no timer; what is added later is checked all the same."""

    async def test() -> None:
        watch, late = Watch(), Counter()
        early = Counter()
        watch.add(early)
        watch.remove(early)
        await put_clock_forward(0.04)
        await put_clock_forward(1)
        watch.add(late)
        await put_clock_forward(0.04)
        watch.remove(late)
        await put_clock_forward(0.04)
        assert (early.checks, late.checks) == (0, 1)

    run(test)


class Waiting:
    """A caller that waits for an answer."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[dict[str, object]] = asyncio.Queue()
        self.answer: asyncio.Future[Predictions] = asyncio.get_running_loop().create_future()
        self.error: Exception | None = None
        self.listens = 0
        self.caller = Caller(self._receive, self.answer)

    async def _receive(self) -> dict[str, object]:
        self.listens += 1
        message = await self._incoming.get()
        if self.error is not None:
            raise self.error
        return message

    async def check(self, times: int = 2) -> None:
        """Let it be checked so many times."""
        for _ in range(times):
            self.caller.check(asyncio.get_running_loop().time())
            await turn_over()

    async def receive(self, kind: str) -> None:
        """Let a message come."""
        self._incoming.put_nowait({"type": kind})
        await turn_over()


def test_caller_is_listened_to_only_once_it_has_waited() -> None:
    """Most are answered before anybody listens for their disconnect."""

    async def test() -> None:
        waiting = Waiting()
        await waiting.check(times=1)
        assert waiting.listens == 0
        await waiting.check(times=3)
        assert waiting.listens == 1
        waiting.caller.stop()

    run(test)


def test_disconnect_ends_the_wait() -> None:
    """A caller that disconnects ends the wait for its answer; the rest of its body does not."""

    async def test() -> None:
        waiting = Waiting()
        await waiting.check()
        await waiting.receive("http.request")
        assert not waiting.answer.done()
        await waiting.receive("http.disconnect")
        with pytest.raises(ClientDisconnect):
            await waiting.answer

    run(test)


def test_refusal_while_it_is_listened_to_ends_the_wait() -> None:
    """Where listening finds that the request must be refused, its caller hears of that."""

    async def test() -> None:
        waiting = Waiting()
        waiting.error = OverloadedError("full")
        await waiting.check()
        await waiting.receive("http.request")
        assert waiting.answer.done()
        with pytest.raises(OverloadedError):
            await waiting.answer

    run(test)


def test_disconnect_after_the_answer_changes_nothing() -> None:
    """An answer that is there stays, though its caller disconnects at the same time."""

    async def test() -> None:
        waiting = Waiting()
        await waiting.check()
        waiting.answer.cancel()
        await waiting.receive("http.disconnect")
        assert waiting.answer.cancelled()

    run(test)
