"""Stopping so that no caller notices: first say that no more should come, then stop taking requests."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def announce_sigterm(announce: Callable[[], None], *, delay_s: float) -> Iterator[None]:
    """Have SIGTERM call `announce` at once, and its handler, the server's, only `delay_s` later.

    In between, `/readyz` says no and requests are still answered, which gives a load balancer the time to look
    elsewhere. Only the main thread can take signals; in another, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handler = signal.getsignal(signal.SIGTERM)

    def stop_later(signum: int, frame: FrameType | None) -> None:
        announce()
        if callable(handler):
            loop.call_soon_threadsafe(loop.call_later, delay_s, handler, signum, frame)

    signal.signal(signal.SIGTERM, stop_later)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
