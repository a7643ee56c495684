"""The service, with a timer beside it that measures how late the event loop runs it: the event-loop lag.

The app and the server's options are the service's own. What was measured since the last asking is at /lag.
"""

import asyncio
import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest.app import create_app
from fashion_api.server.grpc_port import bind
from fashion_api.server.log_queue import queue_log_lines
from fashion_api.server.logs import configure_logging
from fashion_api.server.worker import Worker
from fashion_api.settings import Settings, load_settings

_INTERVAL_S = 0.01


class LagProbe:
    """An ASGI app around the service's, which answers /lag by itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lags_s: list[float] = []
        self._timer: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._timer is None:
            self._timer = asyncio.create_task(self._watch())
        if scope.get("path") != "/lag":
            await self._app(scope, receive, send)
            return
        response = JSONResponse(self._lags_s)
        self._lags_s.clear()
        await response(scope, receive, send)

    async def _watch(self) -> None:
        while True:
            due = time.perf_counter() + _INTERVAL_S
            await asyncio.sleep(_INTERVAL_S)
            self._lags_s.append(max(0.0, time.perf_counter() - due))


def serve(make_app: Callable[..., ASGIApp]) -> None:
    """Serve an app as `fashion-api serve` does, with one worker."""
    settings = load_settings(Settings)
    configure_logging(settings)
    queue_log_lines()
    with bind(settings.host, settings.port) as sock:
        Worker(settings, sock, make_app=make_app).run_until_stopped()


if __name__ == "__main__":
    serve(lambda settings, *, lifespan: LagProbe(create_app(settings, lifespan=lifespan)))
