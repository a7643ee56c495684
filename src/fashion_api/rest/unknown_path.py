"""Paths of the inference protocols that do not exist."""

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from fashion_api.rest.problems import is_of_protocol
from fashion_api.rest.scope import get_route_path


class UnknownProtocolPath(BaseRoute):
    """The last route: no path of an inference protocol is redirected, as a path with one slash too many would be."""

    path = None
    """What a route has that has a template."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a path of a protocol in part, so that any other route of it comes first."""
        is_unknown = scope["type"] == "http" and is_of_protocol(get_route_path(scope))
        return (Match.PARTIAL if is_unknown else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # Starlette's own
        """Answer that there is nothing.

        Raises:
            HTTPException: always.
        """
        raise HTTPException(404)
