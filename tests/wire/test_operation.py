"""Request heads, and jobs that are read in steps."""

import pytest

from fashion_api.wire.operation import LONG, Job, JobSteps, Reply, RequestHead, finish_steps, stop_before_long
from tests.fakes import fake_test_set


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (b"", {}),
        (b"coverage=0.95", {"coverage": "0.95"}),
        (b"a=1&a=2&b=", {"a": "2", "b": ""}),
        (b"a=%C3%A9+x", {"a": "é x"}),
    ],
    ids=["none", "one", "twice and empty", "escaped"],
)
def test_query_is_read_as_parameters(query: bytes, parameters: dict[str, str]) -> None:
    """The query's parameters are given by name, percent-decoded; of one that is repeated, the last."""
    assert RequestHead((), query, ()).read_query() == parameters


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"content-type", "image/png"), (b"x-twice", "1"), (b"x-none", ""), (b"x-blank", "a b")],
    ids=["one", "repeated", "none", "blanks"],
)
def test_header_is_found_by_its_name(name: bytes, value: str) -> None:
    """The first header of a name is given, without blanks around, or an empty text."""
    lines = ((b"content-type", b"image/png"), (b"x-twice", b"1"), (b"x-twice", b"2"), (b"x-blank", b"\ta b "))
    head = RequestHead((), b"", lines)
    assert head.find_header(name) == value


def test_steps_are_run_to_the_job() -> None:
    """Steps that are finished at once give their job."""
    job = Job(fake_test_set().images[:1], lambda _predictions: Reply(200, "text/plain", b""))

    def read() -> JobSteps:
        yield None
        yield None
        return job

    assert finish_steps(read()) is job


@pytest.mark.parametrize("is_long", [True, False])
def test_steps_are_stopped_before_a_long_one(*, is_long: bool) -> None:
    """Short steps are run to the job; where a long one comes next, it and those after it are left."""
    job = Job(fake_test_set().images[:1], lambda _predictions: Reply(200, "text/plain", b""))
    seen: list[str] = []

    def read() -> JobSteps:
        seen.append("short")
        yield LONG if is_long else None
        seen.append("next")
        return job

    steps = read()
    assert finish_steps(stop_before_long(steps)) is (None if is_long else job)
    assert seen == (["short"] if is_long else ["short", "next"])
    if is_long:
        assert finish_steps(steps) is job
