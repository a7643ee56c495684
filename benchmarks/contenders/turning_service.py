"""The service, with a record of the turns of its event loop: how long each took, and what it did.

Between two requests to /turns the loop never waits, so that a turn is as long as what it does. The second is answered
with what was recorded: a list of turns, each `[wall seconds, requests read, batches, seconds of garbage collection]`.
"""

import asyncio
import contextlib
import gc
import json
import time
from typing import Any

import uvicorn
from fashion_api.server.protocol import ServiceProtocol
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from fashion_api.server.processes import bind, make_app, make_config
from fashion_api.service.batcher import Batcher
from fashion_api.settings import Settings, load_settings


class Counts:
    """What has been done since the last turn began."""

    def __init__(self) -> None:
        self.reads = 0
        self.batches = 0
        self.collecting_s = 0.0
        self._collecting_since = 0.0

    def watch(self) -> None:
        """Count what the service does from now on."""
        read, compute = ServiceProtocol.data_received, Batcher._compute_next  # noqa: SLF001  # what is to be counted

        def counted_read(protocol: ServiceProtocol, data: bytes) -> None:
            self.reads += 1
            read(protocol, data)

        def counted_compute(batcher: Batcher) -> None:
            self.batches += batcher.waiting_images > 0
            compute(batcher)

        ServiceProtocol.data_received = counted_read  # type: ignore[method-assign, assignment]  # the same
        Batcher._compute_next = counted_compute  # type: ignore[method-assign, assignment]  # noqa: SLF001  # the same
        gc.callbacks.append(self._watch_collector)

    def _watch_collector(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self.collecting_s += time.perf_counter() - self._collecting_since

    def take(self) -> tuple[int, int, float]:
        """Give the counts, and begin anew."""
        taken = self.reads, self.batches, self.collecting_s
        self.reads, self.batches, self.collecting_s = 0, 0, 0.0
        return taken


class TurnRecorder:
    """An ASGI app around the service's, which answers /turns by itself."""

    def __init__(self, app: FastAPI, counts: Counts) -> None:
        self._app = app
        self.state = app.state  # the server finds its request log there
        self._counts = counts
        self._record: list[float] = []  # numbers only: tuples would be work for the collector
        self._is_recording = False
        self._last = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("path") != "/turns":
            await self._app(scope, receive, send)
            return
        self._is_recording = not self._is_recording
        if self._is_recording:
            self._counts.take()
            self._last = time.perf_counter()
            self._turn()
        body = json.dumps([self._record[start : start + 4] for start in range(0, len(self._record), 4)]).encode()
        if not self._is_recording:
            self._record.clear()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _turn(self) -> None:
        now = time.perf_counter()
        self._record.append(now - self._last)
        self._record.extend(self._counts.take())
        self._last = now
        if self._is_recording:
            asyncio.get_running_loop().call_soon(self._turn)


def main() -> None:
    """Serve as `fashion-api serve` does, with one worker."""
    settings = load_settings(Settings)
    counts = Counts()
    counts.watch()
    config = make_config(settings)
    config.app = lambda: TurnRecorder(make_app(settings), counts)
    with bind(settings.host, settings.port) as sock, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[sock])


if __name__ == "__main__":
    main()
