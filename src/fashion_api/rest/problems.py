"""What each error becomes as an HTTP response: `application/problem+json`, RFC 9457."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from fashion_api.errors import (
    MAX_FAULTS,
    DataError,
    DeadlineExceededError,
    EngineError,
    FashionError,
    Fault,
    ImageError,
    InvalidRequestError,
    NotReadyError,
    OverloadedError,
    UnknownTestImageError,
    UnsupportedImageError,
    summarise_faults,
)
from fashion_api.wire.models import ProblemDetails
from fashion_api.wire.operation import Reply

logger = logging.getLogger(__name__)

PROBLEM_MEDIA_TYPE = "application/problem+json"
PROBLEMS_PATH = "/problems"
RETRY_AFTER_S = 1


@dataclass(frozen=True)
class ProblemKind:
    """A kind of problem that the service answers with."""

    name: str
    status: HTTPStatus
    title: str
    meaning: str
    """What it means to the caller, and what to do."""


class HttpError(FashionError):
    """A request that cannot be answered for a reason of HTTP's own; `str()` is the problem's detail."""

    def __init__(self, kind: ProblemKind, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(detail)
        self.kind = kind
        self.faults = faults


NOT_FOUND = ProblemKind(
    "not-found", HTTPStatus.NOT_FOUND, "Not found", "There is nothing at this address, or no test image of this index."
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
    "bad-request", HTTPStatus.BAD_REQUEST, "Bad request", "What was sent is not HTTP; the connection is closed."
)
TOO_SLOW = ProblemKind(
    "too-slow",
    HTTPStatus.REQUEST_TIMEOUT,
    "Body too slow",
    "The body did not arrive within the time that a request is given.",
)
TOO_LARGE = ProblemKind(
    "too-large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Body too large", "Send fewer or smaller images in one request."
)
UNSUPPORTED = ProblemKind(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "Unsupported media type",
    "The body is of no type that is read here. What a file is, is told from its content, not from its name.",
)
INVALID = ProblemKind(
    "invalid-request",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "Invalid request",
    "The request is well-formed, but something in it is wrong; `errors` says where. The same request will fail again.",
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
    "More is waiting than can be answered in time, and nothing of this request was taken in. Try again later.",
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
    "There was no answer within the time that a request is given. Try again with fewer images, or later.",
)

KINDS = (
    BAD_REQUEST,
    INVALID,
    UNAUTHORIZED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_SLOW,
    TOO_LARGE,
    UNSUPPORTED,
    NOT_READY,
    OVERLOADED,
    NO_DATA,
    DEADLINE,
    INTERNAL,
)

# The first that fits, so the derived classes stand before their bases.
_KIND_OF: tuple[tuple[type[FashionError], ProblemKind], ...] = (
    (UnknownTestImageError, NOT_FOUND),
    (InvalidRequestError, INVALID),
    (UnsupportedImageError, UNSUPPORTED),
    (ImageError, INVALID),
    (DataError, NO_DATA),
    (OverloadedError, OVERLOADED),
    (NotReadyError, NOT_READY),
    (DeadlineExceededError, DEADLINE),
    (EngineError, INTERNAL),
)
_KIND_OF_STATUS = {kind.status: kind for kind in (NOT_FOUND, METHOD_NOT_ALLOWED, TOO_LARGE, UNSUPPORTED, INVALID)}


def responses(*kinds: ProblemKind) -> dict[int | str, dict[str, Any]]:
    """Describe problems for a route's `responses=`, in OpenAPI's form; kinds of one status are shown together."""
    described: dict[int | str, dict[str, Any]] = {}
    for kind in (*kinds, INTERNAL):
        entry = described.setdefault(
            int(kind.status),
            {"model": ProblemDetails, "description": "", "content": {PROBLEM_MEDIA_TYPE: {"examples": {}}}},
        )
        entry["description"] = f"{entry['description']} **{kind.title}**: {kind.meaning}".strip()
        entry["content"][PROBLEM_MEDIA_TYPE]["examples"][kind.name] = {"value": _example(kind)}
    return described


def correct_media_types(openapi: dict[str, Any]) -> dict[str, Any]:
    """Put the problems' schema under their own media type: FastAPI describes every model as `application/json`."""
    for item in openapi["paths"].values():
        for operation in item.values():
            for response in operation["responses"].values():
                content = response.get("content", {})
                if PROBLEM_MEDIA_TYPE in content:
                    content[PROBLEM_MEDIA_TYPE] |= content.pop("application/json")
    return openapi


def describe_kinds() -> str:
    """List the kinds of problem, for a person who followed a problem's `type`."""
    return "\n\n".join(f"#{kind.name}: {kind.title} ({kind.status})\n  {kind.meaning}" for kind in KINDS) + "\n"


class Problem(NamedTuple):
    """What an error is to the caller."""

    kind: ProblemKind
    detail: str
    faults: Sequence[Fault] = ()


INTERNAL_PROBLEM = Problem(INTERNAL, "something went wrong here; the log has it under the request_id")
"""A fault of the service: nothing of it is shown."""


def explain(error: FashionError) -> Problem:
    """Say what an error is to the caller; logs it where it is a fault of the service."""
    if isinstance(error, HttpError):
        return Problem(error.kind, str(error), error.faults)
    kind = next((kind for cls, kind in _KIND_OF if isinstance(error, cls)), INTERNAL)
    if kind is INTERNAL:
        logger.error("request failed: %s", error, exc_info=error)
        return INTERNAL_PROBLEM
    if kind is NO_DATA:  # its text names folders, which are the operator's to know
        return Problem(
            kind,
            "the service has no test set; its operator can get one with "
            "`fashion-api data fetch`, or set FASHION_DATA_DIR to where one is",
        )
    return Problem(kind, str(error), error.faults if isinstance(error, InvalidRequestError) else ())


def write_problem(problem: Problem, *, instance: str, request_id: str) -> Reply:
    """Write a problem, as `ProblemDetails` describes it."""
    kind = problem.kind
    problem: dict[str, object] = {
        "type": f"{PROBLEMS_PATH}#{kind.name}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": problem.detail,
        "instance": instance,
        "request_id": request_id,
    }
    if problem.faults:
        problem["errors"] = [{"where": fault.where, "message": fault.message} for fault in problem.faults[:MAX_FAULTS]]
    headers: tuple[tuple[str, str], ...] = ()
    if kind.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers = (("retry-after", str(RETRY_AFTER_S)),)
    elif kind is UNAUTHORIZED:
        headers = (("www-authenticate", "Bearer"),)
    return Reply(int(kind.status), PROBLEM_MEDIA_TYPE, orjson.dumps(problem), headers)


def too_slow(timeout_s: float) -> HttpError:
    """Say that a body has not come in time."""
    return HttpError(TOO_SLOW, f"the body did not arrive within {timeout_s:g} s")


def problem_response(request: Request, problem: Problem) -> Response:
    """Write a problem as a response of the app's."""
    request_id = request.scope.get("request_id", "")
    return to_response(write_problem(problem, instance=request.url.path, request_id=request_id))


def to_response(answer: Reply) -> Response:
    """Give an answer in the app's own form."""
    return Response(answer.body, answer.status, dict(answer.headers), answer.media_type)


def add_exception_handlers(app: FastAPI) -> None:
    """Have the app answer every error with a problem."""
    app.add_exception_handler(FashionError, _answer_fashion_error)
    app.add_exception_handler(RequestValidationError, _answer_validation_error)
    app.add_exception_handler(HTTPException, _answer_http_exception)


async def _answer_fashion_error(request: Request, error: Exception) -> Response:
    return problem_response(request, explain(error) if isinstance(error, FashionError) else INTERNAL_PROBLEM)


async def _answer_validation_error(request: Request, error: Exception) -> Response:
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    faults = [Fault(_where(problem["loc"]), problem["msg"]) for problem in problems]
    return problem_response(request, Problem(INVALID, summarise_faults(faults), faults))


async def _answer_http_exception(request: Request, error: Exception) -> Response:
    status = HTTPStatus(error.status_code) if isinstance(error, HTTPException) else HTTPStatus.INTERNAL_SERVER_ERROR
    kind = _KIND_OF_STATUS.get(status) or ProblemKind(
        status.phrase.lower().replace(" ", "-"), status, status.phrase, status.description
    )
    details = {
        NOT_FOUND: f"there is nothing at {request.url.path}; /docs shows what there is",
        METHOD_NOT_ALLOWED: f"{request.method} is not for this address",
    }
    response = problem_response(request, Problem(kind, details.get(kind, kind.meaning or kind.title)))
    response.headers.update(getattr(error, "headers", None) or {})
    return response


def _where(loc: Sequence[int | str]) -> str:
    """Write a location as a person would: `images[0][3]`; the leading `body`, `query` or `path` is left out."""
    parts = [part for part in loc[1:] if part != ""]
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return written.removeprefix(".") or str(loc[0])


def _example(kind: ProblemKind) -> dict[str, Any]:
    return {
        "type": f"{PROBLEMS_PATH}#{kind.name}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": kind.meaning,
        "instance": "/api/v1/…",
        "request_id": "8f14e45fceea167a5a36dedd4bea2543",
    }
