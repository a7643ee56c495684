"""Decoding beside the event loop, in turns; the steps are generators of the tests' own, and nothing depends on time."""

import asyncio
import math
import threading
import time
import weakref
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from fashion_api.errors import DeadlineExceededError, OverloadedError
from fashion_api.service.decoder import Decoder
from tests.clock import put_clock_forward, run, turn_over
from tests.raw_http import LIMIT_S

Steps = Generator[Literal[True] | None, None, str]


@asynccontextmanager
async def decoding(*, turn_s: float = 0.002, most: float = math.inf) -> AsyncIterator[Decoder]:
    """A decoder that is closed afterwards."""
    decoder = Decoder(turn_s=turn_s, most=most)
    try:
        yield decoder
    finally:
        await decoder.aclose()


def ask(decoder: Decoder, steps: Steps, *, within_s: float = LIMIT_S) -> "asyncio.Task[str]":
    """Ask for steps to be run within a time."""
    deadline = asyncio.get_running_loop().time() + within_s
    return asyncio.create_task(decoder.run(steps, deadline=deadline, timeout_s=within_s))


def count_to(number: int) -> Steps:
    """So many steps."""
    for _ in range(number):
        yield None
    return f"{number} steps"


class Endless:
    """Steps that do not end before the test lets them."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.may_end = threading.Event()
        self.closed = threading.Event()

    def run(self) -> Steps:
        """The steps."""
        self.started.set()
        try:
            while not self.may_end.is_set():
                yield None
        finally:
            self.closed.set()
        return "ended"

    def block(self) -> Steps:
        """One step that takes until the end."""
        self.started.set()
        self.may_end.wait(LIMIT_S)
        yield None
        return "ended"


async def wait_for(event: threading.Event) -> None:
    """Wait until another thread has set an event."""
    assert await asyncio.to_thread(event.wait, LIMIT_S)


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_steps_are_run_to_their_result(number: int) -> None:
    """However many steps there are, their result is given."""

    async def test() -> None:
        async with decoding() as decoder:
            assert await ask(decoder, count_to(number)) == f"{number} steps"

    run(test)


def test_error_in_a_step_is_handed_on() -> None:
    """What a step raises is raised where its result is waited for, and the next is decoded all the same."""

    def fail() -> Steps:
        yield None
        raise ZeroDivisionError("wrong")

    async def test() -> None:
        async with decoding() as decoder:
            with pytest.raises(ZeroDivisionError, match="wrong"):
                await ask(decoder, fail())
            assert await ask(decoder, count_to(1)) == "1 steps"

    run(test)


def test_small_body_is_decoded_beside_huge_ones() -> None:
    """A small body comes to its turn beside several that do not end."""

    async def test() -> None:
        endless = [Endless() for _ in range(5)]
        async with decoding() as decoder:
            huge = [ask(decoder, steps.run()) for steps in endless]
            assert await ask(decoder, count_to(10)) == "10 steps"
            for steps in endless:
                steps.may_end.set()
            assert await asyncio.gather(*huge) == ["ended"] * 5

    run(test)


def test_each_has_its_turn() -> None:
    """Several that each wait for all of the others to have started end together."""
    seen: set[int] = set()

    def wait_for_all(number: int) -> Steps:
        seen.add(number)
        while len(seen) < 4:
            yield None
        return "all"

    async def test() -> None:
        async with decoding() as decoder:
            assert await asyncio.gather(*(ask(decoder, wait_for_all(number)) for number in range(4))) == ["all"] * 4

    run(test)


def test_endless_turn_has_one_after_the_other() -> None:
    """Where a turn does not end, what comes first is finished before the next one begins."""
    seen: list[int] = []

    def note(number: int) -> Steps:
        for _ in range(3):
            seen.append(number)
            time.sleep(0.003)  # longer than a usual turn
            yield None
        return ""

    async def test() -> None:
        async with decoding(turn_s=math.inf) as decoder:
            await asyncio.gather(*(ask(decoder, note(number)) for number in range(3)))

    run(test)
    assert seen == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_long_step_is_put_off_until_others_had_a_turn() -> None:
    """Where a turn does not end, a step that says that the next one is long ends it all the same."""
    seen: list[int] = []

    def note(number: int) -> Steps:
        for _ in range(3):
            yield True
            seen.append(number)
        return ""

    async def test() -> None:
        blocker = Endless()
        async with decoding(turn_s=math.inf) as decoder:
            blocked = ask(decoder, blocker.block())
            await wait_for(blocker.started)
            tasks = [ask(decoder, note(number)) for number in range(2)]
            await asyncio.sleep(0)  # both are taken in
            blocker.may_end.set()
            await asyncio.gather(blocked, *tasks)

    run(test)
    assert seen == [0, 1, 0, 1, 0, 1]


def test_no_more_than_the_most_are_taken_in() -> None:
    """Beyond the most, a body is refused at once; what is decoded, or no longer wanted, makes room."""

    async def test() -> None:
        endless = [Endless(), Endless()]
        async with decoding(most=2) as decoder:
            first, second = (ask(decoder, steps.run()) for steps in endless)
            await asyncio.gather(*(wait_for(steps.started) for steps in endless))
            with pytest.raises(OverloadedError, match="2 such requests"):
                await ask(decoder, count_to(1))
            first.cancel()
            await wait_for(endless[0].closed)
            assert await ask(decoder, count_to(1)) == "1 steps"
            endless[1].may_end.set()
            assert await second == "ended"

    run(test)


def test_all_are_decoded_on_one_thread() -> None:
    """However many come at once, one thread decodes them, and it ends when the decoder is closed."""
    threads: set[threading.Thread] = set()

    def remember() -> Steps:
        threads.add(threading.current_thread())
        yield None
        threads.add(threading.current_thread())
        return ""

    async def test() -> None:
        async with decoding() as decoder:
            await asyncio.gather(*(ask(decoder, remember()) for _ in range(10)))

    run(test)
    (thread,) = threads
    assert (thread.name, thread.is_alive()) == ("decoder", False)


def test_deadline_ends_the_steps() -> None:
    """When the time is over the caller is told so, and the rest of the steps is not run."""

    async def test() -> None:
        endless = Endless()
        async with decoding() as decoder:
            task = ask(decoder, endless.run(), within_s=5)
            await wait_for(endless.started)
            await put_clock_forward(6)
            with pytest.raises(DeadlineExceededError, match="no answer within 5 s"):
                await task
            await wait_for(endless.closed)

    run(test)


def test_caller_who_is_cancelled_ends_the_steps() -> None:
    """When nobody waits for the result any more, the rest of the steps is not run."""

    async def test() -> None:
        endless = Endless()
        async with decoding() as decoder:
            task = ask(decoder, endless.run())
            await wait_for(endless.started)
            task.cancel()
            await wait_for(endless.closed)

    run(test)


def test_result_that_comes_too_late_is_dropped() -> None:
    """A result that is there just after its caller was cancelled disturbs nothing."""

    async def test() -> None:
        late = Endless()
        async with decoding() as decoder:
            task = ask(decoder, late.block())
            await wait_for(late.started)
            last = Endless()
            following = ask(decoder, last.run())
            await turn_over()
            late.may_end.set()
            assert last.started.wait(LIMIT_S)  # the first is done, and the event loop does not know it yet
            task.cancel()
            last.may_end.set()
            assert await following == "ended"

    run(test)


def test_close_waits_for_what_is_left() -> None:
    """Closing ends the thread once what was taken in is decoded."""

    async def test() -> None:
        endless = Endless()
        decoder = Decoder()
        task = ask(decoder, endless.run())
        await wait_for(endless.started)
        closing = asyncio.create_task(decoder.aclose())
        await turn_over()
        assert not closing.done()
        endless.may_end.set()
        await closing
        assert await task == "ended"

    run(test)


def test_nothing_of_the_last_body_is_kept() -> None:
    """The thread waits for the next body, and keeps nothing of the last one, whose steps have it."""

    async def test() -> None:
        async with decoding() as decoder:
            steps = count_to(2)
            kept = weakref.ref(steps)
            task = ask(decoder, steps)
            del steps
            assert await task == "2 steps"
            del task
            limit = time.monotonic() + LIMIT_S
            while kept() is not None:  # until the thread has left its steps
                assert time.monotonic() < limit
                await asyncio.sleep(0.001)

    run(test)


def test_decoder_without_work_closes() -> None:
    """A decoder that was never needed has no thread, and closes at once."""

    async def test() -> None:
        before = threading.active_count()
        async with decoding():
            assert threading.active_count() == before

    run(test)
