"""W3C Trace Context: what is taken from a request's headers, and what is answered."""

import re

import pytest

from fashion_api.service.events import TraceContext
from fashion_api.wire.trace_context import begin_span, read_trace_context, write_trace_response

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT_ID = "00f067aa0ba902b7"
TRACE_PARENT = f"00-{TRACE_ID}-{PARENT_ID}-01"


def make_headers(*parents: str, states: tuple[str, ...] = ()) -> list[tuple[bytes, bytes]]:
    """The headers of a request of a trace."""
    fields = [*(("traceparent", parent) for parent in parents), *(("tracestate", state) for state in states)]
    return [(b"host", b"x"), *((name.encode(), value.encode("latin-1")) for name, value in fields)]


@pytest.mark.parametrize(
    ("parent", "flags"),
    [
        (TRACE_PARENT, 1),
        (f"00-{TRACE_ID}-{PARENT_ID}-00", 0),
        (f"00-{TRACE_ID}-{PARENT_ID}-02", 2),
        (f"00-{TRACE_ID}-{PARENT_ID}-ff", 3),
        (f" \t{TRACE_PARENT} ", 1),
        (f"01-{TRACE_ID}-{PARENT_ID}-01", 1),
        (f"cc-{TRACE_ID}-{PARENT_ID}-01-what-the-future-will-be-like", 1),
        (f"fe-{TRACE_ID}-{PARENT_ID}-09-", 1),
    ],
    ids=[
        "sampled",
        "not sampled",
        "a random id",
        "unknown flags",
        "space around it",
        "a later version",
        "a later version with more",
        "the last version",
    ],
)
def test_trace_is_the_callers_own(parent: str, flags: int) -> None:
    """A valid `traceparent` is the request's place in a trace, of a later version too; unknown flags are dropped."""
    assert read_trace_context(make_headers(parent)) == TraceContext(TRACE_ID, PARENT_ID, flags, "")


@pytest.mark.parametrize(
    "parents",
    [
        (),
        ("",),
        ("no trace",),
        (TRACE_PARENT, TRACE_PARENT),
        (f"{TRACE_PARENT}-more",),
        (f"{TRACE_PARENT}-",),
        (f"{TRACE_PARENT}.",),
        (f"01-{TRACE_ID}-{PARENT_ID}-01.more",),
        (f"ff-{TRACE_ID}-{PARENT_ID}-01",),
        (f"0-{TRACE_ID}-{PARENT_ID}-01",),
        (f"0x-{TRACE_ID}-{PARENT_ID}-01",),
        (f"00-{TRACE_ID.upper()}-{PARENT_ID}-01",),
        (f"00-{TRACE_ID}-{PARENT_ID.upper()}-01",),
        (f"00-{TRACE_ID}-{PARENT_ID}-0A",),
        (f"00-{TRACE_ID[1:]}-{PARENT_ID}-01",),
        (f"00-{TRACE_ID}0-{PARENT_ID}-01",),
        (f"00-{TRACE_ID}-{PARENT_ID[1:]}-01",),
        (f"00-{TRACE_ID}-{PARENT_ID}-1",),
        (f"00-{TRACE_ID}-{PARENT_ID}",),
        (f"00-{'0' * 32}-{PARENT_ID}-01",),
        (f"00-{TRACE_ID}-{'0' * 16}-01",),
        (f"{TRACE_PARENT}\n",),
        (f"01-{TRACE_ID}-{PARENT_ID}-01-\xb2\n",),
    ],
)
def test_invalid_traceparent_is_passed_over(parents: tuple[str, ...]) -> None:
    """A `traceparent` that is no valid one, or is there twice, is as none, and so is the `tracestate` beside it."""
    assert read_trace_context(make_headers(*parents, states=("a=1",))) is None
    begun = begin_span(make_headers(*parents, states=("a=1",)))
    assert (begun.parent_id, begun.state, begun.trace_id == TRACE_ID) == (None, "", False)


def test_trace_state_is_kept_as_it_is() -> None:
    """`tracestate` is kept in its order; several are one, with commas between them."""
    trace = read_trace_context(make_headers(TRACE_PARENT, states=("rojo=00f0,congo=t61rc ", "a@b=\xb2")))
    assert trace is not None
    assert trace.state == "rojo=00f0,congo=t61rc ,a@b=\xb2"


def test_span_is_in_its_callers_trace() -> None:
    """A request that is traced has a span of its own in the trace of its caller, and its answer names both."""
    begun = begin_span(make_headers(TRACE_PARENT, states=("a=1",)))
    assert begun._replace(span_id=None) == TraceContext(TRACE_ID, PARENT_ID, 1, "a=1")
    assert write_trace_response(begun).decode() == f"00-{TRACE_ID}-{begun.span_id}-01"
    assert begun.span_id not in (None, PARENT_ID)


def test_trace_begins_with_a_request_that_has_none() -> None:
    """A request of no trace begins one; its answer has ids in the standard's form, and no other request has them."""
    begun = [begin_span(make_headers()) for _ in range(100)]
    assert len({(trace.trace_id, trace.span_id) for trace in begun}) == 100
    assert all(re.fullmatch(b"00-[0-9a-f]{32}-[0-9a-f]{16}-02", write_trace_response(trace)) for trace in begun)
