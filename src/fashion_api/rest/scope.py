"""What is kept in and read from an ASGI scope."""

from typing import TYPE_CHECKING, NamedTuple

from starlette.routing import Match
from starlette.types import Scope

from fashion_api.errors import NotReadyError
from fashion_api.service.events import RequestRecord
from fashion_api.service.service import Service

if TYPE_CHECKING:
    from fashion_api.service.events import TraceContext

RECORD_KEY = "fashion_api.record"
"""In a scope: the request's `HttpRecord`, once it has come to the app."""
REFUSAL_KEY = "fashion_api.refusal"
"""In the `state` of a scope: a list, which has a `Refusal` once the server has answered in place of the app."""


class Refusal(NamedTuple):
    """A refusal of the server's own, of a request that the app has begun with: its body has gone wrong."""

    status: int
    kind: str
    """The kind of problem."""


class HttpRecord(RequestRecord):
    """What becomes of one request over HTTP."""

    __slots__ = ("mount", "root_path")

    def __init__(
        self, request_id: str, root_path: str = "", *, started_at: float = 0.0, trace: "TraceContext | None" = None
    ) -> None:
        super().__init__(request_id, started_at=started_at, trace=trace)
        self.root_path = root_path
        """The app's; the scope's is another once the request has come to a mounted app."""
        self.mount: object = None
        """The route of another app, in which this app is mounted."""


def keep_record(scope: Scope, record: HttpRecord) -> None:
    """Put a request's record into its scope."""
    record.mount = scope.get("route")
    scope[RECORD_KEY] = record


def get_record(scope: Scope) -> HttpRecord:
    """Give a request's record."""
    record: HttpRecord = scope[RECORD_KEY]
    return record


def get_route_path(scope: Scope) -> str:
    """Give the path below the app's root path, as routes know it.

    ASGI puts the root path before the path. Some servers do not; then the path is taken as it is.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if root_path and path.startswith(root_path) and path[len(root_path) : len(root_path) + 1] in ("", "/"):
        return path[len(root_path) :]
    return path


def find_route(scope: Scope) -> str | None:
    """Give the template of a request's route; `None` where there is none. It never holds what a caller has written."""
    record = get_record(scope)
    if record.route is not None:
        return record.route
    route = scope.get("route")
    if route is not None and route is not record.mount:
        template: str = route.path
        return template
    at_entry = {**scope, "root_path": record.root_path}
    for candidate in scope["app"].router.routes:  # it was refused before it was routed, or is no route of FastAPI's own
        match, _ = candidate.matches(at_entry)
        if match is not Match.NONE:
            found: str = candidate.path
            return found
    return None


def find_refusal(scope: Scope) -> Refusal | None:
    """Give the refusal with which the server has answered this request, if it has."""
    refusals: list[Refusal] = scope.get("state", {}).get(REFUSAL_KEY, [])
    return refusals[0] if refusals else None


def is_draining(scope: Scope) -> bool:
    """Whether the service is about to stop."""
    service: Service | None = scope["app"].service
    return service is not None and service.is_draining


def get_service(scope: Scope) -> Service:
    """Give the service that is in force.

    Raises:
        NotReadyError: there is none yet, or none any more.
    """
    service: Service | None = scope["app"].service
    if service is None:
        raise NotReadyError("the model is not loaded yet")
    return service
