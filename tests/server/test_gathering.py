"""A transport that sends together what is written in one turn of the event loop."""

import asyncio
from collections.abc import Callable

import pytest

from fashion_api.server.gathering import GatheringTransport


class FakeTransport(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_closed:
            raise RuntimeError("the transport is closed")
        self.written.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def run(use: Callable[[GatheringTransport], None], *, turns: int = 0) -> list[bytes]:
    """Use a transport on an event loop, and give what it has sent so many turns later."""

    async def main() -> list[bytes]:
        transport = FakeTransport()
        use(GatheringTransport(transport))
        for _ in range(turns):
            await asyncio.sleep(0)
        return transport.written.copy()

    return asyncio.run(main())


def write_two(transport: GatheringTransport) -> None:
    """Write a head and a body."""
    transport.write(b"head, ")
    transport.write(b"body")


def test_what_is_written_in_one_turn_is_sent_at_once() -> None:
    """Nothing is sent in the turn itself; in the next one, all is."""
    assert run(write_two) == []
    assert run(write_two, turns=2) == [b"head, body"]


def test_flush_sends_without_waiting_for_the_turn() -> None:
    """A flush sends what was written, once."""

    def use(transport: GatheringTransport) -> None:
        write_two(transport)
        transport.flush()

    assert run(use) == [b"head, body"]
    assert run(use, turns=2) == [b"head, body"]


def test_close_sends_what_was_written() -> None:
    """Nothing that was written is lost by closing."""

    def use(transport: GatheringTransport) -> None:
        write_two(transport)
        transport.close()
        assert transport.is_closing()

    assert run(use) == [b"head, body"]


def test_write_to_a_closed_transport_raises() -> None:
    """Whoever writes to a connection that is over is told so at once."""

    def use(transport: GatheringTransport) -> None:
        transport.close()
        with pytest.raises(RuntimeError, match="closed"):
            transport.write(b"head")

    assert run(use) == []


def test_what_waits_when_the_connection_is_lost_is_dropped() -> None:
    """What was written before the connection was lost is dropped without an error."""
    transport = FakeTransport()

    async def main() -> None:
        write_two(GatheringTransport(transport))
        transport.is_closed = True
        await asyncio.sleep(0)

    asyncio.run(main())
    assert transport.written == []


def test_all_else_is_the_transports_own() -> None:
    """Whatever else a server asks of a transport, it gets from the one that is stood for."""

    def use(transport: GatheringTransport) -> None:
        assert transport.get_extra_info("peername") == ("192.0.2.1", 1)
        assert not transport.is_closing()

    run(use)
