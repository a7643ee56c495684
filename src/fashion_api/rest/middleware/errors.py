"""The border at which errors become responses."""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.errors import NotReadyError, forget_frames
from fashion_api.rest.problems import REFUSALS, explain, send_problem
from fashion_api.rest.scope import get_record, is_draining


class ErrorMiddleware:
    """Answers every error that `app` raises with a problem.

    A request that the server cancels because the service has to stop is answered too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect as error:
            forget_frames(error)
            raise  # nobody is there to be answered
        except asyncio.CancelledError:
            if scope["type"] != "http" or get_record(scope).status or not is_draining(scope):
                raise
            await _send_error(scope, send, NotReadyError("the service is stopping"))
        except Exception as error:
            if scope["type"] != "http":
                raise
            try:
                await _send_error(scope, send, error)
            finally:
                forget_frames(error)


async def _send_error(scope: Scope, send: Send, error: Exception) -> None:
    record = get_record(scope)
    problem = explain(error, request_id=record.request_id)
    if problem.kind in REFUSALS:
        record.refusal = problem.kind.name
    if record.status:  # too late for another response: the server cuts the connection
        raise error
    await send_problem(scope, send, problem)
