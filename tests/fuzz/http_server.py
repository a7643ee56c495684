"""Raw HTTP, in any pieces, against the service under its own server."""

import io
import os
import random
import re
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h11

from tests.raw_http import LIMIT_S, Address

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "FASHION_LOG_LEVEL": "error",
    "FASHION_REQUEST_TIMEOUT_S": "2",
    "FASHION_MAX_UPLOAD_BYTES": "65536",
    "FASHION_MAX_BODY_MEMORY_BYTES": "1048576",
}
ANSWER_LIMIT_S = 10.0
"""A server that neither answers nor closes for so long hangs."""
CHECK_EVERY = 500
MOST_GROWTH_BYTES = 64 * 1024 * 1024
_MOST_PIECES = 8
_WAYS = 2
_LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_UNAVAILABLE = 503
_FAULT = 500
_VERSIONS = (b"1.0", b"1.1")
_OK = 200
_BAD_REQUEST = 400
_INTERIM = range(100, 200)
_BARE_LF = re.compile(rb"(?<!\r)\n")


class Expected(NamedTuple):
    """What h11, another reader of HTTP, finds in some bytes."""

    most: int | None
    """How many answers there may be; `None` where they end as no HTTP."""
    is_whole: bool
    """Whether they end with a whole request."""
    stays_open: bool
    """Whether another request may follow."""


_NO_HTTP = Expected(None, is_whole=False, stays_open=False)


def read_requests(content: bytes) -> Expected:
    """Read bytes as a server does, and answer every request shortly."""
    connection = h11.Connection(h11.SERVER)
    count = 0
    try:
        if content:  # none would mean the end of the connection
            connection.receive_data(content)
        while connection.our_state is not h11.MUST_CLOSE:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                is_whole = connection.their_state is h11.IDLE and not connection.trailing_data[0]
                return Expected(count + 1, is_whole, stays_open=is_whole)  # a request that is cut off may be answered
            if isinstance(event, h11.Request) and event.http_version not in _VERSIONS:
                return _NO_HTTP
            if isinstance(event, h11.EndOfMessage):
                count += 1
                connection.send(h11.Response(status_code=_OK, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is h11.DONE:
                    connection.start_next_cycle()
    except h11.ProtocolError:
        return _NO_HTTP
    return Expected(count, is_whole=True, stays_open=False)


def cut(content: bytes) -> Sequence[bytes]:
    """Cut bytes into pieces, always the same way."""
    chance = random.Random(zlib.crc32(content))  # noqa: S311  # no secret
    places = sorted(chance.randrange(len(content) + 1) for _ in range(chance.randrange(1, _MOST_PIECES)))
    return [content[start:end] for start, end in zip([0, *places], [*places, len(content)], strict=True)]


def exchange(address: Address, pieces: Sequence[bytes], *, is_over: bool) -> bytes | None:
    """Send pieces on a connection of their own, and read until the server closes it.

    Args:
        address: the server's.
        pieces: what is sent.
        is_over: whether to say that no more will be sent; else the last request must say so.

    Returns:
        What was received; `None` where the server closed before it had read everything, which discards answers.

    Raises:
        TimeoutError: the server neither answers nor closes.
    """
    received = bytearray()
    with socket.create_connection(address, timeout=ANSWER_LIMIT_S) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for piece in pieces:
                sock.sendall(piece)
            if is_over:
                sock.shutdown(socket.SHUT_WR)
            while part := sock.recv(65536):
                received += part
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise
            return None
    return bytes(received)


def read_statuses(received: bytes) -> list[int]:
    """Read the status of each response, and check that nothing else is between them; one that is cut off counts."""
    file = io.BytesIO(received)
    statuses: list[int] = []
    while line := file.readline():
        version, status, *_ = line.split(b" ", 2)
        assert version == b"HTTP/1.1", f"no response: {line!r}"
        headers = dict(field.rstrip(b"\r\n").lower().split(b":", 1) for field in iter(file.readline, b"\r\n") if field)
        if int(status) in _INTERIM:
            continue
        statuses.append(int(status))
        at = file.tell()
        if not received.startswith(b"HTTP/1.1 ", at):  # else it answers HEAD
            file.seek(at + int(headers.get(b"content-length", b"0")))
    return statuses


class Attack:
    """Sends inputs to a server, and checks its answers."""

    def __init__(self, address: Address, is_running: Callable[[], bool], measure_memory: Callable[[], int]) -> None:
        self._address = address
        self._is_running = is_running
        self._measure_memory = measure_memory
        self._inputs = 0
        self._memory = 0

    def send(self, content: bytes) -> None:
        """Send one input, whole and in pieces."""
        expected = read_requests(content)
        if _BARE_LF.search(content):  # h11 takes it; the service refuses it, but what it has answered before stands
            expected = expected._replace(is_whole=False, stays_open=False)
        last = _LAST if expected.stays_open else b""
        answers: list[list[int]] = []
        for pieces in ([content], cut(content)):
            received = exchange(self._address, [*pieces, last], is_over=not expected.is_whole)
            if received is not None:
                answers.append(read_statuses(received))
                _check(answers[-1], expected)
        if expected.is_whole and len(answers) == _WAYS:
            assert answers[0] == answers[1], f"whole, in pieces: {answers}"
        self._inputs += 1
        if self._inputs % CHECK_EVERY == 0:
            self.check_server()

    def check_server(self) -> None:
        """Check that the server runs, answers, and takes no more memory than at the first check."""
        assert self._is_running()
        received = exchange(self._address, [_LAST], is_over=False)
        assert received is not None
        assert read_statuses(received) == [_OK]
        memory = self._measure_memory()
        self._memory = self._memory or memory
        assert memory - self._memory < MOST_GROWTH_BYTES, f"from {self._memory} to {memory} bytes"


def _check(statuses: Sequence[int], expected: Expected) -> None:
    assert all(status < _FAULT or status == _UNAVAILABLE for status in statuses), statuses
    if expected.most is None:
        return
    assert len(statuses) <= expected.most, f"{len(statuses)} answers to {expected.most} requests: {statuses}"
    if expected.is_whole and _BAD_REQUEST not in statuses:
        assert len(statuses) == expected.most, f"{len(statuses)} answers to {expected.most} requests: {statuses}"


@contextmanager
def attack_server() -> Iterator[Callable[[bytes], None]]:
    """Start a server, and give what sends an input to it."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FASHION_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.served"],
        cwd=ROOT,
        env=kept | SETTINGS | {"PYTHONPATH": path},
        stdin=subprocess.PIPE,  # is closed when this process ends, however it does
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        address = ("127.0.0.1", int(process.stdout.readline()))
        _wait_until_it_listens(address)
        attack = Attack(address, lambda: process.poll() is None, lambda: _measure_memory(process.pid))
        yield attack.send
        attack.check_server()
    finally:
        process.terminate()
        process.communicate(timeout=LIMIT_S)


def _wait_until_it_listens(address: Address) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        try:
            exchange(address, [_LAST], is_over=False)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _measure_memory(pid: int) -> int:
    """Give the bytes of memory that a process takes."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
