"""A transport that sends the head of a response together with the beginning of its body."""

import asyncio

import pytest

from fashion_api.server.gathering import GatheringTransport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
STREAM = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


class FakeTransport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written: list[bytes] = []
        self.is_closed = False
        self.reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed:
            raise RuntimeError("the transport is closed")
        self.written.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.fixture
def inner() -> FakeTransport:
    return FakeTransport()


@pytest.fixture
def transport(inner: FakeTransport) -> GatheringTransport:
    return GatheringTransport(inner, inner.close)


def test_head_is_sent_with_the_body(inner: FakeTransport, transport: GatheringTransport) -> None:
    """The head waits for the body, and what comes after goes at once; so does the next response."""
    for data in (HEAD, b"bo", b"dy", HEAD, b"body"):
        transport.write(data)
    assert inner.written == [HEAD + b"bo", b"dy", HEAD + b"body"]


def test_it_is_read_when_both_want_it(inner: FakeTransport, transport: GatheringTransport) -> None:
    """It is read while it is neither paused nor held, in whatever order that ends."""
    reads = []
    for change in (
        "pause_reading",
        "hold",
        "resume_reading",
        "release",
        "hold",
        "pause_reading",
        "release",
        "resume_reading",
    ):
        getattr(transport, change)()
        reads.append(inner.reads)
    assert reads == [False, False, False, True, False, False, False, True]


def test_head_of_a_stream_does_not_wait(inner: FakeTransport, transport: GatheringTransport) -> None:
    """A stream may have nothing to say for long: its caller has the head before."""
    transport.write(STREAM)
    assert inner.written == [STREAM]


def test_head_without_a_body_is_sent_when_the_answer_ends(inner: FakeTransport, transport: GatheringTransport) -> None:
    """The answer to HEAD has a length and no body: it is sent by the flush, once."""
    transport.write(HEAD)
    transport.flush()
    transport.flush()
    assert inner.written == [HEAD]


def test_close_sends_what_was_kept(inner: FakeTransport, transport: GatheringTransport) -> None:
    """Nothing that was written is lost by closing."""
    transport.write(HEAD)
    transport.close()
    assert (inner.written, transport.is_closing()) == ([HEAD], True)


def test_write_to_a_closed_transport_raises(inner: FakeTransport, transport: GatheringTransport) -> None:
    """Whoever writes a body to a connection that is over is told so at once."""
    transport.write(HEAD)
    inner.is_closed = True
    with pytest.raises(RuntimeError, match="closed"):
        transport.write(b"body")


def test_what_waits_when_the_connection_is_lost_is_dropped(inner: FakeTransport, transport: GatheringTransport) -> None:
    """A head that was kept before the connection was lost is dropped without an error."""
    transport.write(HEAD)
    inner.is_closed = True
    transport.flush()
    assert inner.written == []


def test_all_else_is_the_transports_own(transport: GatheringTransport) -> None:
    """Whatever else a server asks of a transport, it gets from the one that is stood for."""
    assert transport.get_extra_info("peername") == ("192.0.2.1", 1)
    assert not transport.is_closing()
