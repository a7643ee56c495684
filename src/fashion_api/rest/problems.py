"""What each error becomes over HTTP: `application/problem+json`, RFC 9457, or as an inference protocol has it."""

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope, Send

from fashion_api import errors
from fashion_api.errors import (
    MAX_FAULTS,
    Fault,
    InvalidRequestError,
    Quota,
    RateLimitedError,
    UnsupportedCodingError,
)
from fashion_api.rest.content_coding import ACCEPTED as ACCEPTED_CODINGS
from fashion_api.rest.scope import RECORD_KEY, HttpRecord, get_record, get_route_path
from fashion_api.wire.json_body import JSON
from fashion_api.wire.operation import NO_STORE, Headers, Reply
from fashion_api.wire.validation import describe_error, write_location

logger = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEMS_PATH = "/problems"
RETRY_AFTER_S = 1
_OF_A_PROTOCOL = re.compile(r"/v[12](/.*)?", re.IGNORECASE | re.DOTALL)
"""The paths of the inference protocols: their clients take the message from the member `error`."""
_MODELS = "/v1/models/"


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem."""

    name: str
    status: HTTPStatus
    title: str
    meaning: str
    """What it means to the caller, and what to do."""

    @property
    def type(self) -> str:
        """The URI reference that identifies the kind; it leads to the kind's place in the page of all kinds."""
        return f"{PROBLEMS_PATH}#{self.name}"


NOT_FOUND = ProblemKind(
    "not-found", HTTPStatus.NOT_FOUND, "Not found", "There is nothing at this address, or no test image has this index."
)
METHOD_NOT_ALLOWED = ProblemKind(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "Method not allowed",
    "The address exists, but not for this method; `Allow` names those that it has.",
)
UNAUTHORIZED = ProblemKind(
    "unauthorized",
    HTTPStatus.UNAUTHORIZED,
    "API key needed",
    "The service asks for a key: send it as `X-API-Key: KEY` or `Authorization: Bearer KEY`.",
)
BAD_REQUEST = ProblemKind(
    "bad-request",
    HTTPStatus.BAD_REQUEST,
    "Bad request",
    "The bytes sent are not an HTTP request; the connection is closed.",
)
TOO_SLOW = ProblemKind(
    "too-slow",
    HTTPStatus.REQUEST_TIMEOUT,
    "Request too slow",
    "The head or the body did not arrive within its time.",
)
HEAD_TOO_LARGE = ProblemKind(
    "head-too-large",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "Head too large",
    "The request line and the headers have too many bytes or too many lines; the connection is closed.",
)
TOO_LARGE = ProblemKind(
    "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large", "Send fewer or smaller images in one request."
)
UNSUPPORTED = ProblemKind(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "Unsupported media type",
    "The service does not read bodies of this type. The content of a file decides its type, not its name.",
)
INVALID = ProblemKind(
    "invalid-request",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "Invalid request",
    "The request is well-formed, but something in it is wrong; `errors` says where, if it has a place. The same "
    "request will fail again.",
)
INTERNAL = ProblemKind(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Internal error",
    "A fault of the service, not of the request; the log has it under the `request_id`.",
)
NOT_READY = ProblemKind(
    "not-ready", HTTPStatus.SERVICE_UNAVAILABLE, "Not ready", "The service is starting or stopping. Try again later."
)
OVERLOADED = ProblemKind(
    "overloaded",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Overloaded",
    "Too many requests are waiting, and this one was not taken in. Try again when the seconds of `Retry-After` have "
    "passed; what is sent earlier on the same connection may wait until then.",
)
RATE_LIMITED = ProblemKind(
    "rate-limited",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Too many images",
    "This client, known by its key or else by its address, has asked for more images than one client may. Each request "
    "counts as its images, at least as one. `Retry-After` says when there is room again.",
)
PENDING = ProblemKind(
    "not-predicted-yet",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "Not predicted yet",
    "The model's predictions for the whole test set are being computed, while no caller waits for another. `detail` "
    "says how many there are. Try again later.",
)
NO_DATA = ProblemKind(
    "no-test-set",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "No test set",
    "The service has no data set; uploads and arrays are answered all the same. The operator must provide one.",
)
DEADLINE = ProblemKind(
    "deadline-exceeded",
    HTTPStatus.GATEWAY_TIMEOUT,
    "Deadline exceeded",
    "There was no answer within the request's time. Try again with fewer images, or later.",
)

KINDS = (
    BAD_REQUEST,
    INVALID,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    HEAD_TOO_LARGE,
    TOO_LARGE,
    UNSUPPORTED,
    NOT_READY,
    OVERLOADED,
    RATE_LIMITED,
    PENDING,
    NO_DATA,
    DEADLINE,
    INTERNAL,
)

# A class without a line of its own has that of its nearest base.
_KIND_OF: Mapping[type, ProblemKind] = {
    errors.UnknownModelError: NOT_FOUND,
    errors.UnknownTestImageError: NOT_FOUND,
    errors.InvalidRequestError: INVALID,
    errors.UnauthenticatedError: UNAUTHORIZED,
    errors.UnsupportedMediaTypeError: UNSUPPORTED,
    errors.MalformedRequestError: BAD_REQUEST,
    errors.HeadTooLargeError: HEAD_TOO_LARGE,
    errors.HeadTimeoutError: TOO_SLOW,
    errors.BodyTooLargeError: TOO_LARGE,
    errors.BodyTimeoutError: TOO_SLOW,
    errors.UnsupportedImageError: UNSUPPORTED,
    errors.ImageError: INVALID,
    errors.DataError: NO_DATA,
    errors.NotReadyError: NOT_READY,
    errors.OverloadedError: OVERLOADED,
    errors.RateLimitedError: RATE_LIMITED,
    errors.PendingError: PENDING,
    errors.DeadlineExceededError: DEADLINE,
}
REFUSALS = frozenset([UNAUTHORIZED, TOO_LARGE, TOO_SLOW, NOT_READY, OVERLOADED, RATE_LIMITED, DEADLINE])
"""The kinds of problem that are the service's limits, and no fault of what was asked."""
_KIND_OF_STATUS = {kind.status: kind for kind in (NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE, UNSUPPORTED, INVALID)}


class Problem(NamedTuple):
    """What went wrong with one request, for its caller."""

    kind: ProblemKind
    detail: str
    faults: Sequence[Fault] = ()
    headers: Headers = ()
    """Of the response, besides those of its kind."""


def explain(error: Exception, *, request_id: str) -> Problem:
    """Give the problem that an error is to the caller; a fault of the service is logged, and nothing of it is shown."""
    kind = next((_KIND_OF[cls] for cls in type(error).__mro__ if cls in _KIND_OF), None)
    if kind is None:
        logger.error("request failed: %s", error, exc_info=error, extra={"request_id": request_id})
        return Problem(INTERNAL, f"something went wrong here; the log has it under the request id {request_id}")
    if kind is NO_DATA:  # its text names folders, which are the operator's to know
        return Problem(
            kind,
            "the service has no test set; its operator can set FASHION_DATA_DIR to the model's data set, "
            "or get Fashion-MNIST with `fashion-api data fetch`",
        )
    if isinstance(error, UnsupportedCodingError):
        return Problem(kind, str(error), headers=((b"accept-encoding", ACCEPTED_CODINGS.encode()),))
    if isinstance(error, RateLimitedError):
        return Problem(kind, str(error), headers=_describe_quota(error.quota))
    return Problem(kind, str(error), error.faults if isinstance(error, InvalidRequestError) else ())


def _describe_quota(quota: Quota) -> Headers:
    """Say when to ask again, and what there is (draft-ietf-httpapi-ratelimit-headers-10)."""
    return (
        (b"retry-after", b"%d" % quota.reset_s),
        (b"ratelimit-policy", b'"images";q=%d;w=%d' % (quota.images, quota.window_s)),
        (b"ratelimit", b'"images";r=%d;t=%d' % (quota.remaining, quota.reset_s)),
    )


def is_of_protocol(path: str) -> bool:
    """Tell of a route's path whether it is an inference protocol's."""
    return _OF_A_PROTOCOL.fullmatch(path) is not None


def find_protocol_status(kind: ProblemKind) -> HTTPStatus:
    """Give the status that a problem has in the inference protocols."""
    return HTTPStatus.BAD_REQUEST if kind is INVALID else kind.status


def write_problem(problem: Problem, *, path: str, instance: str, request_id: str) -> Reply:
    """Write a problem: under an inference protocol's path as that has it, else as `ProblemDetails` describes it.

    Args:
        problem: what went wrong.
        path: below the root path, as routes know it.
        instance: the whole path.
        request_id: the request's id.
    """
    kind = problem.kind
    headers = problem.headers
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = ((b"retry-after", b"%d" % RETRY_AFTER_S),)
    elif kind is UNAUTHORIZED:
        headers = ((b"www-authenticate", b"Bearer"),)
    headers = (NO_STORE, *headers)
    if is_of_protocol(path):
        return Reply(int(find_protocol_status(kind)), JSON, orjson.dumps({"error": problem.detail}), headers)
    details: dict[str, object] = {
        "type": kind.type,
        "title": kind.title,
        "status": int(kind.status),
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if problem.faults:
        details["errors"] = [{"where": fault.where, "message": fault.message} for fault in problem.faults[:MAX_FAULTS]]
    return Reply(int(kind.status), PROBLEM_MEDIA_TYPE, orjson.dumps(details), headers)


async def send_problem(scope: Scope, send: Send, problem: Problem) -> None:
    """Answer a request with a problem."""
    await send_reply(send, _write_problem_of(scope, problem))


def _write_problem_of(scope: Scope, problem: Problem) -> Reply:
    record = get_record(scope)
    path = get_route_path({**scope, "root_path": record.root_path})
    return write_problem(problem, path=path, instance=scope["path"], request_id=record.request_id)


def is_overload(scope: Scope) -> bool:
    """Tell of a request that is over whether it was refused because too many are waiting."""
    record: HttpRecord | None = scope.get(RECORD_KEY)
    return record is not None and record.refusal == OVERLOADED.name


async def send_reply(send: Send, reply: Reply) -> None:
    """Answer a request."""
    headers = [
        (b"content-length", b"%d" % len(reply.body)),
        (b"content-type", reply.media_type.encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def to_response(reply: Reply) -> Response:
    """Give a reply in FastAPI's form."""
    response = Response(reply.body, reply.status, media_type=reply.media_type)
    response.raw_headers += reply.headers
    return response


def add_exception_handlers(app: FastAPI, *, has_docs: bool) -> None:
    """Have FastAPI's own errors answered with problems; `has_docs`: whether they may lead to /docs."""
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, functools.partial(_answer_http_exception, has_docs=has_docs))


def _respond(request: Request, problem: Problem) -> Response:
    return to_response(_write_problem_of(request.scope, problem))


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [Fault(_where(item["loc"]), describe_error(item)) for item in found]
    return _respond(request, Problem(INVALID, errors.summarise_faults(faults), faults))


async def _answer_http_exception(request: Request, error: Exception, *, has_docs: bool) -> Response:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _KIND_OF_STATUS.get(status) or ProblemKind(
        status.phrase.lower().replace(" ", "-"), status, status.phrase, status.description
    )
    path, methods = request.scope["path"], _list_methods(request.scope)
    hint = f"; {get_record(request.scope).root_path}/docs shows what there is" if has_docs else ""
    details = {
        NOT_FOUND: f"there is nothing at {path}{_find_verb(path)}{hint}",
        METHOD_NOT_ALLOWED: f"{request.method} is not for this address; ask it by {' or '.join(methods)}",
    }
    response = _respond(request, Problem(kind, details.get(kind, kind.meaning or kind.title)))
    response.headers.update(getattr(error, "headers", None) or {})
    if kind is METHOD_NOT_ALLOWED:
        response.headers["allow"] = ", ".join(methods)
    return response


def _find_verb(path: str) -> str:
    """Say how a path is written whose verb has a slash before it."""
    model, _, verb = path.rpartition("/")
    _, _, name = model.lower().partition(_MODELS)
    return f"; ask {model}:predict" if name and verb.lower() == "predict" else ""


def _list_methods(scope: Scope) -> list[str]:
    """List the methods that the routes of a path have; Starlette names those of the first route only."""
    routes = [route for route in scope["app"].router.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.matches(scope)[0] is Match.PARTIAL]
    methods = {method for route in matching for method in route.methods or ()}
    return sorted(methods) or ["GET"]  # of a folder of files, which has no routes


def _where(loc: Sequence[int | str]) -> str:
    """Write a location as a person would: `images[0][3]`; the leading `body`, `query` or `path` is left out."""
    return write_location([part for part in loc[1:] if part != ""]) or str(loc[0])
