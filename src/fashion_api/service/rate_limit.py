"""A limit on the images that each client may ask for."""

import math
import threading
import time

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from fashion_api.errors import Quota, RateLimitedError

WINDOW_S = 10
"""Over so many seconds the limit is an average."""


class RateLimit:
    """Limits the images of each client to some a second.

    The window slides: a fixed one lets twice as many through around its border, and one that moves with each image
    keeps an entry for each. A client takes two counters, which go when two windows have passed.

    Args:
        images_per_s: how many images a client may ask for.
        shares: among how many processes they are shared out.
    """

    def __init__(self, images_per_s: float, *, shares: int = 1) -> None:
        self._images_per_s = images_per_s
        self._item = RateLimitItemPerSecond(max(1, round(images_per_s * WINDOW_S / shares)), WINDOW_S)
        self._storage = _SweptStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    @property
    def clients(self) -> int:
        """How many counters of clients there are."""
        return len(self._storage.storage)

    def take(self, client: str) -> None:
        """Count a request, as one image.

        Raises:
            RateLimitedError: the client has none left.
        """
        self._count(client, 1)

    def take_more(self, client: str, images: int) -> None:
        """Count further images of a request that was taken; one of more than there ever are takes all.

        Raises:
            RateLimitedError: the client has too few left.
        """
        images = min(images, self._item.amount - 1)
        if images:
            self._count(client, images)

    def close(self) -> None:
        """End its thread."""
        self._storage.timer.cancel()

    def _count(self, client: str, images: int) -> None:
        if self._limiter.hit(self._item, client, cost=images):
            return
        stats = self._limiter.get_window_stats(self._item, client)
        wait_s = max(1, math.ceil(stats.reset_time - time.time()))
        raise RateLimitedError(
            f"one client may ask for {self._images_per_s:g} images a second, on average over {WINDOW_S} s; "
            f"ask again in {wait_s} s",
            Quota(self._item.amount, WINDOW_S, remaining=stats.remaining, reset_s=wait_s),
        )


class _SweptStorage(MemoryStorage):
    """Counters in memory; those that have expired are removed once a window.

    The library itself starts a thread for that at most every 10 ms, which goes over all counters: a third of a
    processor where there are 50,000.
    """

    def __init__(self) -> None:
        super().__init__()
        self.timer = _Repeating(WINDOW_S, self._sweep)
        self.timer.daemon = True
        self.timer.start()

    def _sweep(self) -> None:
        for key in list(self.expirations):
            self.get(key)  # which removes what has expired


class _Repeating(threading.Timer):
    """A timer that goes off again and again, until it is cancelled."""

    def run(self) -> None:
        while not self.finished.wait(self.interval):
            self.function()
