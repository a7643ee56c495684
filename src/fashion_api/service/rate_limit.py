"""A limit on the images that each client may ask for."""

import math

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
        self._storage = MemoryStorage()
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)

    def take(self, client: str) -> None:
        """Count a request, as one image.

        Raises:
            RateLimitedError: the client has none left.
        """
        self._count(client, 1, needed=1)

    def take_more(self, client: str, images: int) -> None:
        """Count further images of a request that was taken; one of more than there ever are takes all.

        Raises:
            RateLimitedError: the client has too few left.
        """
        images = min(images, self._item.amount - 1)
        if images:
            self._count(client, images, needed=images + 1)

    def _count(self, client: str, images: int, *, needed: int) -> None:
        """Count images; `needed` are those that must pass when the whole request is sent again."""
        if self._limiter.hit(self._item, client, cost=images):
            return
        stats = self._limiter.get_window_stats(self._item, client)
        wait_s = self._find_wait(client, needed)
        raise RateLimitedError(
            f"one client may ask for {self._images_per_s:g} images a second, on average over {WINDOW_S} s; "
            f"ask again in {wait_s} s",
            Quota(self._item.amount, WINDOW_S, remaining=stats.remaining, reset_s=wait_s),
        )

    def _find_wait(self, client: str, needed: int) -> int:
        """Give the whole seconds after which so many images pass, if the client asks for none meanwhile."""
        before, _, now, ttl_s = self._storage.get_sliding_window(self._item.key_for(client), WINDOW_S)
        left_s = ttl_s - WINDOW_S  # of this window
        bound = self._item.amount - needed + 1  # they pass when fewer are counted
        if now >= bound:  # only while the next window moves over this one
            wait_s = left_s + WINDOW_S * (1 - bound / now)
        else:  # as this window moves over the one before
            wait_s = left_s - (bound - now) * WINDOW_S / before if before else 0.0
        return max(0, math.floor(wait_s)) + 1
