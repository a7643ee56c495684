"""A classifier that computes when a test lets it."""

import asyncio
import threading
import time

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from tests.fakes import FakeClassifier
from tests.raw_http import LIMIT_S

SLOW_S = 0.005
"""What a held classifier takes at least: a quick one would be let compute on the event loop, and could not be held."""


class HeldClassifier:
    """Has another classifier compute only when the test lets it, and remembers what it was given."""

    def __init__(self, classifier: Classifier | None = None) -> None:
        self._classifier = classifier or FakeClassifier()
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)

    def classify(self, images: Images) -> Predictions:
        self.batches.append(images[:, 0, 0].tolist())
        self.entered.release()
        assert self.may_go.acquire(timeout=LIMIT_S)
        time.sleep(SLOW_S)
        return self._classifier.classify(images)

    async def wait_until_entered(self) -> None:
        """Wait until the next batch has been given to it."""
        assert await asyncio.to_thread(self.entered.acquire, timeout=LIMIT_S)

    def release(self, batches: int = 1000) -> None:
        """Let it compute so many batches."""
        self.may_go.release(batches)
