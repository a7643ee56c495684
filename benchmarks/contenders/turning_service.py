"""The service, with a record of the turns of its event loop: how long each took, and what it did.

Between two requests to /turns the loop never waits, so that a turn is as long as what it does. The second is answered
with what was recorded: a list of turns, each `[wall seconds, requests begun, batches, seconds of garbage collection]`.
"""

import asyncio
import gc
import time
from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.contenders.probed_service import serve
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.rest.app import ServiceLifespan, create_app
from fashion_api.settings import Settings


class Counts:
    """What has been done since the last turn began."""

    def __init__(self) -> None:
        self.requests = 0
        self.batches = 0
        self.collecting_s = 0.0
        self._collecting_since = 0.0

    def watch_collector(self, phase: str, _: dict[str, Any]) -> None:
        """Count the garbage collector's time: for `gc.callbacks`."""
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self.collecting_s += time.perf_counter() - self._collecting_since

    def take(self) -> tuple[int, int, float]:
        """Give the counts, and begin anew."""
        taken = self.requests, self.batches, self.collecting_s
        self.requests, self.batches, self.collecting_s = 0, 0, 0.0
        return taken


class CountingClassifier:
    """A classifier whose batches are counted."""

    def __init__(self, classifier: Classifier, counts: Counts) -> None:
        self._classifier = classifier
        self._counts = counts

    def classify(self, images: Images) -> Predictions:
        """Classify a batch."""
        self._counts.batches += 1
        return self._classifier.classify(images)


class TurnRecorder:
    """An ASGI app around the service's, which answers /turns by itself."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts
        self._record: list[float] = []  # numbers only: tuples would be work for the collector
        self._is_recording = False
        self._last = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("path") != "/turns":
            self._counts.requests += 1
            await self._app(scope, receive, send)
            return
        self._is_recording = not self._is_recording
        if self._is_recording:
            self._counts.take()
            self._last = time.perf_counter()
            self._turn()
        response = JSONResponse([self._record[start : start + 4] for start in range(0, len(self._record), 4)])
        if not self._is_recording:
            self._record.clear()
        await response(scope, receive, send)

    def _turn(self) -> None:
        now = time.perf_counter()
        self._record.append(now - self._last)
        self._record.extend(self._counts.take())
        self._last = now
        if self._is_recording:
            asyncio.get_running_loop().call_soon(self._turn)


def main() -> None:
    """Serve the service, with the recorder around it."""
    counts = Counts()
    gc.callbacks.append(counts.watch_collector)

    def load_counted(settings: Settings) -> LoadedModel:
        model = load_model(settings)
        return replace(model, classifier=CountingClassifier(model.classifier, counts))

    def make_app(settings: Settings, *, lifespan: ServiceLifespan) -> ASGIApp:
        return TurnRecorder(create_app(settings, load_model=load_counted, lifespan=lifespan), counts)

    serve(make_app)


if __name__ == "__main__":
    main()
