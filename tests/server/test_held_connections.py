"""Which connections are not read for now, and until when."""

import asyncio

import pytest

from fashion_api.rest.problems import RETRY_AFTER_S
from fashion_api.server.held_connections import ANSWERS_A_RELEASE, HeldConnections
from tests.clock import put_clock_forward, run, turn_over

KEEP_ALIVE_S = 75


class FakeConnection:
    """Says that it is read again."""

    def __init__(self, name: str, said: list[str]) -> None:
        self._name = name
        self._said = said

    def go_on(self) -> None:
        self._said.append(self._name)


@pytest.fixture
def said() -> list[str]:
    """The names of the connections that are read again, in order."""
    return []


@pytest.fixture
def three(said: list[str]) -> list[FakeConnection]:
    """Connections that can be held."""
    return [FakeConnection(name, said) for name in ("first", "second", "third")]


def hold(connections: list[FakeConnection], *, silence_s: float = KEEP_ALIVE_S) -> HeldConnections:
    held = HeldConnections(silence_s)
    for connection in connections:
        held.add(connection)
    return held


def count_answers(held: HeldConnections, answers: int) -> None:
    for _ in range(answers):
        held.count_answer()


def test_answers_release_the_longest_held(three: list[FakeConnection], said: list[str]) -> None:
    """After each few answers one connection is read again, in the order in which they were held."""

    async def test() -> None:
        held = hold(three)
        count_answers(held, ANSWERS_A_RELEASE - 1)
        assert said == []
        count_answers(held, 1)
        assert said == ["first"]
        held.add(three[0])
        count_answers(held, 3 * ANSWERS_A_RELEASE)
        assert (said, len(held)) == (["first", "second", "third", "first"], 0)
        count_answers(held, ANSWERS_A_RELEASE)
        assert len(said) == 4

    run(test)


def test_nothing_is_held_for_longer_than_a_caller_is_told_to_wait(three: list[FakeConnection], said: list[str]) -> None:
    """Without answers each connection is read again before `Retry-After` is over, counted from its own refusal."""

    async def test() -> None:
        held = hold(three[:2])
        await put_clock_forward(RETRY_AFTER_S / 2)
        held.add(three[2])
        assert said == []
        await put_clock_forward(RETRY_AFTER_S / 2)
        assert said == ["first", "second"]
        await put_clock_forward(RETRY_AFTER_S / 2)
        assert (said, len(held)) == (["first", "second", "third"], 0)
        held.add(three[0])
        await put_clock_forward(RETRY_AFTER_S)
        assert said[3:] == ["first"]

    run(test)


def test_connection_that_is_over_is_forgotten(three: list[FakeConnection], said: list[str]) -> None:
    """What has ended meanwhile is not read again, and takes nobody's turn."""

    async def test() -> None:
        held = hold(three)
        held.discard(three[0])
        count_answers(held, ANSWERS_A_RELEASE)
        held.discard(three[2])
        held.discard(three[2])
        await put_clock_forward(RETRY_AFTER_S)
        assert (said, len(held)) == (["second"], 0)

    run(test)


def test_all_are_released_together(three: list[FakeConnection], said: list[str]) -> None:
    """For a service that stops, all are read again at once."""

    async def test() -> None:
        held = hold(three)
        held.release_all()
        assert (said, len(held)) == (["first", "second", "third"], 0)

    run(test)


def test_connection_is_read_before_the_server_would_close_it(three: list[FakeConnection], said: list[str]) -> None:
    """However short the time is after which the server closes silent connections, one that is held is read before."""

    async def test() -> None:
        silence_s = RETRY_AFTER_S / 10
        hold(three[:1], silence_s=silence_s)
        asyncio.get_running_loop().call_later(silence_s, said.append, "closed")
        await put_clock_forward(silence_s)
        await turn_over()
        assert said == ["first", "closed"]

    run(test)
