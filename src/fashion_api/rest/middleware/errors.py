"""The border at which errors become responses."""

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from fashion_api.rest.problems import explain, send_problem
from fashion_api.rest.scope import get_record


class ErrorMiddleware:
    """Answers every error that `app` raises with a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            await self._app(scope, receive, send)
        except ClientDisconnect:
            raise  # nobody is there to be answered
        except Exception as error:
            if scope["type"] != "http":
                raise
            record = get_record(scope)
            problem = explain(error, request_id=record.request_id)
            if record.status:  # too late for another response: the server cuts the connection
                raise
            await send_problem(scope, send, problem)
