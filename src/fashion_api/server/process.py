"""What is done to a process that the service has to itself."""

import asyncio
import gc
import logging
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType

from fashion_api.server.grpc_port import serve_calls
from fashion_api.service.following import ModelFollower

logger = logging.getLogger(__name__)

_ALLOCATIONS = 2_000
"""How many more objects that may refer to others are made than freed, before Python looks for garbage among the new."""


def spare_collections() -> None:
    """Have Python look for cyclic garbage seldom, and not among the objects that are in memory now.

    Each look at those would take 36 ms; and an image of 32×32 pixels in JSON is a thousand lists, which Python, left to
    itself, would look through while they are read.
    """
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)


@asynccontextmanager
async def own_process(follower: ModelFollower) -> AsyncIterator[None]:
    """Adapt the process to a service that is ready, until it stops: for `create_app(lifespan=own_process)`.

    Garbage is collected seldom from now on. On SIGTERM the service drains.
    """
    async with serve_calls(follower, shares_port=False) as calls:
        spare_collections()
        logger.info("ready%s", "" if calls is None else f", with gRPC on {calls.address}")
        with _drain_on_sigterm(follower):
            yield


@contextmanager
def _drain_on_sigterm(follower: ModelFollower) -> Iterator[None]:
    """Let SIGTERM drain the service at once, and call its handler, the server's, after the drain delay.

    A second SIGTERM is passed on to the server at once.

    In between, `/readyz` answers 503 and requests are still answered, so that a load balancer has time to turn to other
    instances. Python handles signals in the main thread only; in another, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    handler = signal.getsignal(signal.SIGTERM)

    def stop_later(signum: int, frame: FrameType | None) -> None:
        service = follower.service
        delay_s = 0.0 if service.is_draining else service.settings.drain_delay_s
        service.drain()
        if callable(handler):
            loop.call_soon_threadsafe(loop.call_later, delay_s, handler, signum, frame)

    signal.signal(signal.SIGTERM, stop_later)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)
