"""A small load balancer: follows /readyz, keeps connections open, and sends each request to a service that is ready."""

import asyncio
import contextlib
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator

from benchmarks.connection import Address
from benchmarks.inputs import get

_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_POLL_S = 0.1
_ANSWER_S = 15.0

_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


OVERLOADED = "503, overloaded"


async def exchange(streams: _Streams, request: bytes) -> tuple[int, bool]:
    """Send a request and read its answer; gives the status, and whether the connection may be used again."""
    outcome, is_kept = await _exchange(streams, request)
    return int(outcome[:3]), is_kept


async def _exchange(streams: _Streams, request: bytes) -> tuple[str, bool]:
    head, body = await ask(streams, request)
    outcome = OVERLOADED if b"/problems#overloaded" in body else head[9:12].decode()
    return outcome, not _CLOSE.search(head)


async def ask(streams: _Streams, request: bytes) -> tuple[bytes, bytes]:
    """Send a request and read its answer; gives its head and its body."""
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return head, await reader.readexactly(int(length[1])) if length else b""


class Backend:
    """One of the services behind the balancer."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[_Streams] = []
        self.is_ready = False

    async def ask(self, request: bytes) -> str:
        """Give what came of a request: the status of the answer, or `lost`."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                streams = self._take() or await asyncio.open_connection(*self._address)
                outcome, is_kept = await _exchange(streams, request)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return "lost"
        if is_kept:
            self._idle.append(streams)
        else:
            streams[1].close()
        return outcome

    def _take(self) -> _Streams | None:
        while self._idle:
            streams = self._idle.pop()
            if not streams[0].at_eof():
                return streams
            streams[1].close()
        return None

    async def follow(self) -> None:
        """Ask for ever whether it is ready, on a connection of its own each time, as probes do."""
        while True:
            status = 0
            with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError):
                async with asyncio.timeout(_ANSWER_S):
                    streams = await asyncio.open_connection(*self._address)
                    status, _ = await exchange(streams, get("/readyz"))
                    streams[1].close()
            self.is_ready = status == 200  # noqa: PLR2004  # HTTP's
            await asyncio.sleep(_POLL_S)


class Balancer:
    """Sends requests to the services that are ready, in turn."""

    def __init__(self, addresses: list[Address]) -> None:
        self._backends = [Backend(address) for address in addresses]
        self._turns = itertools.cycle(self._backends)
        self.outcomes: Counter[str] = Counter()

    async def send(self, request: bytes) -> None:
        """Send a request, and count what came of it."""
        ready = [backend for backend in self._backends if backend.is_ready]
        if not ready:
            self.outcomes["no service was ready"] += 1
            return
        backend = next(backend for backend in self._turns if backend.is_ready)
        self.outcomes[await backend.ask(request)] += 1

    async def send_evenly(self, request: bytes, *, rate: float, until: asyncio.Event) -> None:
        """Send so many requests a second, whatever comes back, until an event; and wait for the last answers."""
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count():
                if until.is_set():
                    return
                group.create_task(self.send(request))
                await asyncio.sleep(begin + number / rate - loop.time())

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow the services' readiness meanwhile."""
        tasks = [asyncio.create_task(backend.follow()) for backend in self._backends]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
