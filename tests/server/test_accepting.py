"""Accepting connections."""

import asyncio
import contextlib
import errno
import os
import socket
import ssl

import pytest

from fashion_api.server.accepting import MAX_HANDSHAKES, Acceptor, ConnectionTable, Tls
from tests.clock import put_clock_forward, run, turn_over

WAITING = 12


def listen(stack: contextlib.ExitStack, waiting: int) -> socket.socket:
    """A listener, in whose backlog so many connections wait."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=waiting))
    for _ in range(waiting):
        stack.enter_context(socket.create_connection(listener.getsockname()))
    return listener


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
            listener = listen(stack, WAITING)
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


def test_many_handshakes_that_begin_together_are_limited() -> None:
    """Each connection beyond the limit ends another handshake, also in the same turn of the event loop."""

    async def test() -> None:
        with contextlib.ExitStack() as stack:
            listener = listen(stack, 3 * MAX_HANDSHAKES)
            acceptor = Acceptor(
                listener,
                asyncio.Protocol,
                lambda: 0,
                1000,
                tls=Tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), handshake_timeout_s=60, shutdown_timeout_s=1),
            )
            acceptor.start(WAITING)
            await turn_over()
            assert acceptor.publish() == MAX_HANDSHAKES
            acceptor.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run(test)


def test_a_worker_that_accepts_no_more_stays_absent() -> None:
    """Though it goes on to say how many connections it has: to others it would be the one that takes the next."""

    async def test() -> None:
        with contextlib.ExitStack() as stack:
            descriptor = ConnectionTable.create(2)
            stack.callback(os.close, descriptor)
            table = ConnectionTable(descriptor, 2)
            absent = table.find_least(without=1)
            acceptor = Acceptor(listen(stack, 0), asyncio.Protocol, lambda: 0, 1, table=table)
            acceptor.start(1)
            assert table.find_least(without=1) == 0
            acceptor.close()
            acceptor.publish()
            assert table.find_least(without=1) == absent

    run(test)


class FullSocket(socket.socket):
    """Cannot accept, as the process has too many files open."""

    def accept(self) -> tuple[socket.socket, object]:
        raise OSError(errno.EMFILE, "Too many open files")


def test_who_cannot_accept_when_it_closes_does_not_try_again() -> None:
    """The socket is no longer there."""

    async def test() -> None:
        faults: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        sock = FullSocket()
        sock.bind(("127.0.0.1", 0))
        acceptor = Acceptor(sock, asyncio.Protocol, lambda: 0, 1)
        acceptor.start(1)
        acceptor.close()
        await put_clock_forward(1)
        assert not faults

    run(test)
