"""An event loop whose clock a test can put forward, and coroutines that are run to their end on it."""

import asyncio
from collections.abc import Awaitable, Callable


class ClockLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test can put forward."""

    put_forward_s = 0.0

    def time(self) -> float:
        return super().time() + self.put_forward_s


async def turn_over() -> None:
    """Let everything that can run on the event loop run."""
    for _ in range(20):
        await asyncio.sleep(0)


async def put_clock_forward(seconds: float) -> None:
    """Let time pass at once."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ClockLoop)
    loop.put_forward_s += seconds
    await turn_over()


def run(test: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine; no task may be left when it ends."""

    async def main() -> None:
        await test()
        await turn_over()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left

    with asyncio.Runner(loop_factory=ClockLoop) as runner:
        runner.run(main())
