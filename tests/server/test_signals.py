"""Stopping so that no caller notices."""

import asyncio
import signal
from concurrent.futures import ThreadPoolExecutor
from types import FrameType

import pytest
from fashion_api.server.signals import announce_sigterm


def test_sigterm_is_announced_at_once_and_obeyed_later() -> None:
    """On SIGTERM the announcement comes first, and the server's own handler only after the delay."""
    events: list[str] = []

    async def main() -> None:
        stopped = asyncio.Event()

        def stop(_signum: int, _frame: FrameType | None) -> None:
            events.append("stopped")
            stopped.set()

        signal.signal(signal.SIGTERM, stop)
        with announce_sigterm(lambda: events.append("announced"), delay_s=0.01):
            signal.raise_signal(signal.SIGTERM)
            events.append("still serving")
            await stopped.wait()
        assert signal.getsignal(signal.SIGTERM) is stop

    before = signal.getsignal(signal.SIGTERM)
    try:
        asyncio.run(main())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert events == ["announced", "still serving", "stopped"]


def test_other_threads_change_no_handler() -> None:
    """Outside the main thread, where Python takes no signals, nothing is changed and nothing fails."""

    def enter() -> object:
        with announce_sigterm(lambda: pytest.fail("announced"), delay_s=0):
            return signal.getsignal(signal.SIGTERM)

    with ThreadPoolExecutor() as pool:
        assert pool.submit(enter).result() is signal.getsignal(signal.SIGTERM)
