"""Reading a request's body: its size, its time and its memory."""

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect

from fashion_api.errors import BodyTimeoutError, BodyTooLargeError, OverloadedError
from fashion_api.rest.body import read_body
from fashion_api.rest.taken_request import TakenRequest
from fashion_api.rest.watch import Watch
from fashion_api.service.limits import UNCOUNTED_BODY_BYTES, HeldBody
from fashion_api.service.service import Service
from fashion_api.wire.operation import RequestHead
from tests.clock import put_clock_forward, run, turn_over
from tests.fakes import fake_service

LARGE = b" " * (UNCOUNTED_BODY_BYTES + 1)


class Upload:
    """A body on its way."""

    def __init__(self, service: Service, watch: Watch, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        deadline = asyncio.get_running_loop().time() + service.settings.request_timeout_s
        self._request = TakenRequest(service, RequestHead((), b"", headers), self._queue.get, watch, 0.0, deadline)
        self.held = service.body_memory.hold()
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> bytes:
        with self.held:
            return await read_body(self._request, self.held)

    async def send(self, chunk: bytes, *, more: bool = True) -> None:
        """Let a part of it arrive."""
        self._queue.put_nowait({"type": "http.request", "body": chunk, "more_body": more})
        await turn_over()

    async def disconnect(self) -> None:
        """Let its caller go away."""
        self._queue.put_nowait({"type": "http.disconnect"})
        await turn_over()


class Bodies:
    """Bodies of requests to one service."""

    def __init__(self, **changes: Any) -> None:  # noqa: ANN401  # settings
        self.service = fake_service(**changes)
        self._watch = Watch()

    def start(self, *, length: bytes | None = None) -> Upload:
        """Start to read one."""
        headers = () if length is None else ((b"content-length", length),)
        return Upload(self.service, self._watch, headers=headers)


def test_body_is_the_sum_of_its_parts() -> None:
    """A body that comes in parts is read whole, and is not counted any more afterwards."""

    async def test() -> None:
        bodies = Bodies()
        upload = bodies.start()
        for chunk in (b"a", b"", LARGE):
            await upload.send(chunk)
        assert bodies.service.body_memory.held_bytes == 1 + len(LARGE)
        await upload.send(b"b", more=False)
        assert await upload.task == b"a" + LARGE + b"b"
        assert bodies.service.body_memory.held_bytes == 0

    run(test)


@pytest.mark.parametrize("length", [b"1001", b"9" * 5000])
def test_length_over_the_limit_is_refused_unread(length: bytes) -> None:
    """A body that says that it is too large is refused before any of it is read."""

    async def test() -> None:
        bodies = Bodies(max_upload_bytes=1000)
        with pytest.raises(BodyTooLargeError, match="1000 bytes"):
            await bodies.start(length=length).task

    run(test)


@pytest.mark.parametrize("length", [None, b"5", b"none", b"-1", b""])
def test_body_over_the_limit_is_refused_whatever_it_says(length: bytes | None) -> None:
    """A body that turns out too large is refused then, whether it says nothing of its length or something else."""

    async def test() -> None:
        bodies = Bodies(max_upload_bytes=1000)
        upload = bodies.start(length=length)
        await upload.send(b" " * 1000)
        assert not upload.task.done()
        await upload.send(b" ")
        with pytest.raises(BodyTooLargeError, match="1000 bytes"):
            await upload.task

    run(test)


def test_caller_who_goes_away_ends_the_reading() -> None:
    """Where the caller disconnects, there is no body."""

    async def test() -> None:
        bodies = Bodies()
        upload = bodies.start()
        await upload.send(b"a")
        await upload.disconnect()
        with pytest.raises(ClientDisconnect):
            await upload.task

    run(test)


def test_body_that_is_late_is_refused() -> None:
    """A body that is not whole when the request's time is over is refused, however much of it keeps coming."""

    async def test() -> None:
        bodies = Bodies(request_timeout_s=5)
        upload = bodies.start()
        for _second in range(6):
            await upload.send(b"a")
            await put_clock_forward(0.8)
        assert not upload.task.done()
        await put_clock_forward(0.8)
        with pytest.raises(BodyTimeoutError, match="within 5 s"):
            await upload.task

    run(test)


def test_body_that_is_whole_in_time_is_read() -> None:
    """A request's time says nothing of those that came before, or after it."""

    async def test() -> None:
        bodies = Bodies(request_timeout_s=5)
        first = bodies.start()
        await put_clock_forward(4)
        second = bodies.start()
        await put_clock_forward(2)
        await second.send(b"b", more=False)
        assert await second.task == b"b"
        with pytest.raises(BodyTimeoutError):
            await first.task

    run(test)


def test_large_bodies_share_their_memory() -> None:
    """A large body that would take more memory than there is for all of them is refused; small ones are read."""

    async def test() -> None:
        bodies = Bodies(max_body_memory_bytes=2 * len(LARGE))
        first, second, third, small = (bodies.start() for _ in range(4))
        await first.send(LARGE)
        await second.send(LARGE)
        await third.send(LARGE)
        with pytest.raises(OverloadedError, match="in memory already"):
            await third.task
        await small.send(b"s", more=False)
        assert await small.task == b"s"
        for upload in (first, second):
            await upload.send(b"", more=False)
            assert await upload.task == LARGE

    run(test)


def test_large_body_that_stalls_gives_way() -> None:
    """A large body of which nothing has come for a second is given up for another."""

    async def test() -> None:
        bodies = Bodies(max_body_memory_bytes=len(LARGE), request_timeout_s=60)
        stalled = bodies.start()
        await stalled.send(LARGE)
        await put_clock_forward(1.5)
        honest = bodies.start()
        await honest.send(LARGE, more=False)
        assert await honest.task == LARGE
        with pytest.raises(OverloadedError, match="the body stalled"):
            await stalled.task

    run(test)


def test_body_that_is_given_up_twice_ends_once() -> None:
    """A body whose time is over while it is given up for another ends like any other, and so does the other."""

    async def test() -> None:
        bodies = Bodies(max_body_memory_bytes=len(LARGE), request_timeout_s=5)
        stalled = bodies.start()
        await stalled.send(LARGE)
        await put_clock_forward(4.9)
        honest = bodies.start()
        honest.held.reader = None
        asyncio.get_running_loop().call_soon(_end, stalled.held)
        await honest.send(LARGE, more=False)
        assert await honest.task == LARGE
        with pytest.raises((OverloadedError, BodyTimeoutError)):
            await stalled.task

    run(test)


def _end(held: HeldBody) -> None:
    assert held.reader is not None
    held.reader.end()


def test_reading_that_is_cancelled_is_cancelled() -> None:
    """A task that is cancelled by somebody else while it reads is cancelled, also at its deadline."""

    async def test() -> None:
        bodies = Bodies(request_timeout_s=5)
        for at_deadline in (False, True):
            upload = bodies.start()
            await turn_over()
            upload.task.cancel()
            if at_deadline:
                _end(upload.held)
            with pytest.raises(asyncio.CancelledError):
                await upload.task

    run(test)
