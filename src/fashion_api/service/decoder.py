"""Decoding of large bodies beside the event loop, in turns, so that a large one holds up no other."""

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Literal, NamedTuple, TypeVar

from fashion_api.errors import DeadlineExceededError, OverloadedError

T = TypeVar("T")
_TURN_S = 0.002


class _Task(NamedTuple):
    steps: Generator[Literal[True] | None, None, Any]
    is_over: Callable[[], bool]
    done: Callable[[Any, BaseException | None], object]


class Decoder:
    """A thread that decodes the bodies of several requests in turns.

    One thread, as decoding holds the interpreter's lock: six took turns at it and were slower, with 9 MB more memory.

    Args:
        turn_s: how long a turn is, at the least; infinite for one body after the other, so that what one takes in
            memory is taken once.
        most: the most bodies that are taken in at a time.
    """

    def __init__(self, *, turn_s: float = _TURN_S, most: float = math.inf) -> None:
        self._turn_s = turn_s
        self._most = most
        self._under_way = 0
        self._arrived: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, steps: Generator[Literal[True] | None, None, T], *, deadline: float, timeout_s: float) -> T:
        """Run all steps in the thread and give their result.

        Args:
            steps: does a part of the work at each step, at best less than 2 ms; one that gives `True` ends the turn, as
                the next one is long.
            deadline: the event loop's time at which the result is no longer wanted.
            timeout_s: what the deadline was made from, for the message.

        Raises:
            OverloadedError: as many as there may be are taken in already.
            DeadlineExceededError: the deadline has passed; the rest of the steps is not run.
            Exception: what a step raised.
        """
        if self._under_way >= self._most:
            raise OverloadedError(f"{self._most} such requests are under way already")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[T] = loop.create_future()
        if self._thread is None:  # most services never see a large body
            self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)
            self._thread.start()
        settle = partial(loop.call_soon_threadsafe, partial(_settle, result))
        self._arrived.put(_Task(steps, result.done, settle))
        self._under_way += 1
        try:
            async with asyncio.timeout_at(deadline):
                return await result
        except TimeoutError:
            raise DeadlineExceededError(f"no answer within {timeout_s:g} s") from None
        finally:
            self._under_way -= 1

    async def aclose(self) -> None:
        """End the thread, once nothing is left to decode."""
        if self._thread is not None:
            self._arrived.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        tasks: deque[_Task] = deque()
        is_closing = False
        while not is_closing or tasks:
            is_closing = self._take_in(tasks) or is_closing
            if tasks:
                _take_turn(tasks, self._turn_s)

    def _take_in(self, tasks: deque[_Task]) -> bool:
        """Take in what has arrived, and wait for it where there is nothing to do; tells whether no more will arrive."""
        with suppress(Empty):
            while True:
                arrived = self._arrived.get(block=not tasks)
                if arrived is None:
                    return True
                tasks.append(arrived)
        return False


def _take_turn(tasks: deque[_Task], turn_s: float) -> None:
    """Run some steps of the first task; where there are more of them, it becomes the last."""
    task = tasks.popleft()
    until = time.perf_counter() + turn_s
    try:
        while not task.is_over():
            if next(task.steps) or time.perf_counter() > until:
                tasks.append(task)
                return
        task.steps.close()
    except StopIteration as end:
        task.done(end.value, None)
    except Exception as error:  # noqa: BLE001  # handed on to the request that waits for it
        task.done(None, error)


def _settle(result: "asyncio.Future[T]", value: T, error: BaseException | None) -> None:
    if result.done():
        return
    if error is None:
        result.set_result(value)
    else:
        result.set_exception(error)
