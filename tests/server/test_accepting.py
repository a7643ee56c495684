"""Accepting connections."""

import asyncio
import contextlib
import socket

import pytest

from fashion_api.server.accepting import Acceptor
from tests.clock import run

WAITING = 12


@pytest.mark.parametrize(
    ("limit", "counts"),
    [
        pytest.param(WAITING, [WAITING], id="within the limit"),
        pytest.param(9, [10, 11, 12], id="beyond it"),
        pytest.param(0, list(range(1, WAITING + 1)), id="nothing but beyond it"),
    ],
)
def test_connections_beyond_the_limit_are_accepted_one_by_one(limit: int, counts: list[int]) -> None:
    """In one turn of the event loop, all are accepted that the limit has room for, and one more."""

    async def test() -> None:
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=WAITING))
            for _ in range(WAITING):
                stack.enter_context(socket.create_connection(listener.getsockname()))
            made: list[asyncio.Protocol] = []

            def make_protocol() -> asyncio.Protocol:
                made.append(asyncio.Protocol())
                return made[-1]

            acceptor = Acceptor(listener, make_protocol, lambda: len(made), limit)
            acceptor.start(WAITING)
            seen = [0]
            while len(made) < WAITING:
                await asyncio.sleep(0)
                if len(made) != seen[-1]:
                    seen.append(len(made))
            acceptor.close()
            assert seen[1:] == counts

    run(test)
