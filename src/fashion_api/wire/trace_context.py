"""W3C Trace Context: a request's place in a trace, from its headers and for its response.

Requests: https://www.w3.org/TR/trace-context-2/. Responses: the group's draft at https://w3c.github.io/trace-context/,
as the standard itself has none yet.
"""

import random
import re

from fashion_api.service.events import TraceContext
from fashion_api.wire.operation import Headers

TRACE_RESPONSE = b"traceresponse"

_TRACE_PARENT = b"traceparent"
_TRACE_STATE = b"tracestate"
_FORMAT = re.compile(rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FIRST_VERSION = b"00"
_SAMPLED, _RANDOM = 1, 2
_KNOWN_FLAGS = _SAMPLED | _RANDOM


def read_trace_context(headers: Headers) -> TraceContext | None:
    """Give the caller's trace; `None` where `traceparent` is missing, repeated or invalid.

    Of a later version than 00, what version 00 has is read, and what follows is passed over.
    """
    parents = [value for name, value in headers if name == _TRACE_PARENT]
    match = _FORMAT.fullmatch(parents[0].strip(b" \t")) if len(parents) == 1 else None
    if match is None or (match[1] == _FIRST_VERSION and match[5] is not None):
        return None
    state = b",".join(value for name, value in headers if name == _TRACE_STATE)
    return TraceContext(match[2].decode(), match[3].decode(), int(match[4], 16) & _KNOWN_FLAGS, state.decode("latin-1"))


def begin_span(headers: Headers) -> TraceContext:
    """Give a request a span of its own: in its caller's trace, or in a new one."""
    trace = read_trace_context(headers) or TraceContext(_make_id(128), None, _RANDOM, "")
    return trace._replace(span_id=_make_id(64))


def begin_part(trace: TraceContext) -> TraceContext:
    """Give a part of a request a span of its own, within the request's, where that has one."""
    return trace if trace.span_id is None else trace._replace(parent_id=trace.span_id, span_id=_make_id(64))


def write_trace_response(trace: TraceContext) -> bytes:
    """Write the header that names a request's span to its caller.

    Whether a span is sampled is decided later, so the flag is the caller's own, and not set in a new trace.
    """
    return f"00-{trace.trace_id}-{trace.span_id}-{trace.flags:02x}".encode()


def _make_id(bits: int) -> str:
    """Make an id; no secret, so that it need not ask the system for randomness."""
    return f"{random.getrandbits(bits) or 1:0{bits // 4}x}"
