"""What each error becomes over gRPC."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

from grpc import StatusCode

from fashion_api import errors
from fashion_api.errors import FashionError

logger = logging.getLogger(__name__)

_MAX_DETAILS = 1000
"""Bytes of a message, each of which may become three: it travels in a header, which clients limit to 8 KiB."""


class UnknownCallError(FashionError):
    """There is no such call."""


class UnsupportedCallError(FashionError):
    """The protocol has such a call, and the service does not offer it."""


class UnknownServiceError(FashionError):
    """No gRPC service has this name."""


class _Kind(NamedTuple):
    code: StatusCode
    http_status: HTTPStatus
    refusal: str | None = None


class Status(NamedTuple):
    """How a call ends that went wrong."""

    code: StatusCode
    details: str
    http_status: int
    """What the same answer has over HTTP: the log and the metrics have one kind of status for all carriers."""
    refusal: str | None
    """The kind of refusal, where the service would answer the call another time, or with a key."""


_INTERNAL = _Kind(StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR)
_DEADLINE = StatusCode.DEADLINE_EXCEEDED

# A class without a line of its own has that of its nearest base.
_KIND_OF: Mapping[type, _Kind] = {
    errors.RequestError: _Kind(StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST),
    errors.ImageError: _Kind(StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST),
    errors.UnknownModelError: _Kind(StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND),
    UnknownServiceError: _Kind(StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND),
    errors.UnauthenticatedError: _Kind(StatusCode.UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED, "unauthorized"),
    errors.BodyTooLargeError: _Kind(StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large"),
    errors.BodyTimeoutError: _Kind(_DEADLINE, HTTPStatus.REQUEST_TIMEOUT, "too-slow"),
    UnknownCallError: _Kind(StatusCode.UNIMPLEMENTED, HTTPStatus.NOT_FOUND),
    UnsupportedCallError: _Kind(StatusCode.UNIMPLEMENTED, HTTPStatus.BAD_REQUEST),
    errors.UnavailableError: _Kind(StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
    errors.NotReadyError: _Kind(StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, "not-ready"),
    errors.OverloadedError: _Kind(StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE, "overloaded"),
    errors.RateLimitedError: _Kind(StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS, "rate-limited"),
    errors.DeadlineExceededError: _Kind(_DEADLINE, HTTPStatus.GATEWAY_TIMEOUT, "deadline-exceeded"),
}


def explain(error: Exception, *, request_id: str) -> Status:
    """Give the status that an error is to the caller; a fault of the service is logged, and nothing of it is shown."""
    kind = next((_KIND_OF[cls] for cls in type(error).__mro__ if cls in _KIND_OF), _INTERNAL)
    details = str(error)
    if kind is _INTERNAL:
        logger.error("request failed: %s", error, exc_info=error, extra={"request_id": request_id})
        details = f"something went wrong here; the log has it under the request id {request_id}"
    elif kind.code is StatusCode.UNAUTHENTICATED:
        details = "a valid API key is needed, in the metadata: x-api-key: KEY, or authorization: Bearer KEY"
    details = details.encode()[:_MAX_DETAILS].decode(errors="ignore")
    return Status(kind.code, details, int(kind.http_status), kind.refusal)
