"""Accepting connections: by several workers from one listening socket, so that each has about equally many.

Left to the kernel, the worker that wakes first takes all that wait. Here a worker that has more connections than
another leaves new ones to that other for a moment. The socket is shared, so nothing in its backlog is lost when a
worker ends.
"""

import asyncio
import logging
import mmap
import os
import socket
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

_ABSENT = 2**63 - 1
_BYTES = 8
_MOST_AT_ONCE = 64
_YIELD_S = 0.001
_YIELDS = 10  # after so many in a row, the other worker is taken to be busy
_OUT_OF_DESCRIPTORS_S = 0.1
_REPORT_S = 60.0
MAX_HANDSHAKES = 128
"""The most connections whose TLS handshake is under way; on more, the oldest of them is closed."""


def name_address(sock: socket.socket, *, scheme: str = "http") -> str:
    """Give the address of a bound socket as a URL without a path."""
    host, port = sock.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class ConnectionTable:
    """How many connections each worker has, by slot, in memory that the processes share.

    A worker writes its own number only. Those of others may be a moment old, which costs some balance and nothing else.
    """

    def __init__(self, descriptor: int, slots: int) -> None:
        self._counts = memoryview(mmap.mmap(descriptor, slots * _BYTES)).cast("q")

    @staticmethod
    def create(slots: int) -> int:
        """Make the memory for a table, and give its descriptor; every worker is absent."""
        if sys.platform == "linux":
            descriptor = os.memfd_create("fashion-api connections")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.truncate(descriptor, slots * _BYTES)
        table = ConnectionTable(descriptor, slots)
        for slot in range(slots):
            table.leave(slot)
        return descriptor

    def set(self, slot: int, count: int) -> None:
        """Say how many connections a worker has."""
        self._counts[slot] = count

    def leave(self, slot: int) -> None:
        """Say that a worker accepts no connections."""
        self._counts[slot] = _ABSENT

    def find_least(self, *, without: int) -> int:
        """Give the smallest number of connections that a worker has, without one of them; huge if there is no other."""
        return min((count for slot, count in enumerate(self._counts) if slot != without), default=_ABSENT)


@dataclass(frozen=True)
class Tls:
    """How connections are encrypted."""

    context: ssl.SSLContext
    handshake_timeout_s: float
    shutdown_timeout_s: float
    """How long a caller may take to answer that the connection ends."""


class Acceptor:
    """Accepts the connections of one worker.

    Args:
        sock: the listening socket.
        make_protocol: makes what handles a connection.
        count_connections: gives how many the worker has.
        limit: how many it takes in. On more, nearly all is refused: they are accepted one by one, so that the requests
            on the others go on.
        table: the connections of all workers; `None` where there is one.
        slot: the worker's place in it.
        tls: encrypts connections, whose protocol is made when the handshake is over; `None`: they are not encrypted.
    """

    def __init__(  # noqa: PLR0913  # what it stands between
        self,
        sock: socket.socket,
        make_protocol: Callable[[], asyncio.Protocol],
        count_connections: Callable[[], int],
        limit: int,
        *,
        table: ConnectionTable | None = None,
        slot: int = 0,
        tls: Tls | None = None,
    ) -> None:
        self._sock = sock
        self._make_protocol = make_protocol
        self._count_connections = count_connections
        self._limit = limit
        self._table = table
        self._slot = slot
        self._tls = tls
        self._opening: dict[asyncio.Task[None], None] = {}  # the oldest first
        self._timer: asyncio.TimerHandle | None = None
        self._yields = 0
        self._at_once = 1
        self._report_at = 0.0

    def start(self, backlog: int) -> None:
        """Listen, and accept from now on."""
        self._loop = asyncio.get_running_loop()
        self._sock.setblocking(False)  # noqa: FBT003  # the socket's own interface
        self._sock.listen(backlog)
        self.publish()
        self._watch()

    def publish(self) -> int:
        """Let the other workers know how many connections this one has, and give their number."""
        count = self._count()
        if self._table is not None:
            self._table.set(self._slot, count)
        return count

    def close(self) -> None:
        """Accept what waits in the backlog, and listen no longer."""
        if self._sock.fileno() < 0:
            return
        self._loop.remove_reader(self._sock)
        while self._accept():
            pass
        if self._timer is not None:  # the last one may be of a moment ago
            self._timer.cancel()
        if self._table is not None:
            self._table.leave(self._slot)
            self._table = None  # `publish` would come back
        self._sock.close()

    def _count(self) -> int:
        return self._count_connections() + len(self._opening)

    def _watch(self) -> None:
        self._timer = None
        self._loop.add_reader(self._sock, self._accept_share)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._sock)
        self._timer = self._loop.call_later(seconds, self._watch)

    def _accept_share(self) -> None:
        """Accept while no other worker has fewer connections; what is left is theirs, if they take it soon."""
        for _ in range(_MOST_AT_ONCE):
            if self._is_ahead():
                self._yield()
                return
            self._yields, self._at_once = 0, 1
            if not self._accept() or self._count() > self._limit:
                return

    def _is_ahead(self) -> bool:
        if self._table is None:
            return False
        least = self._table.find_least(without=self._slot)
        return self.publish() > least + least // 8

    def _yield(self) -> None:
        """Wait a moment for the other worker; where it does not come, take some, and each time more."""
        self._yields += 1
        if self._yields > _YIELDS:
            self._yields = 0
            for _ in range(self._at_once):
                if not self._accept():
                    return
            self._at_once = min(2 * self._at_once, _MOST_AT_ONCE)
        self._pause(_YIELD_S)

    def _accept(self) -> bool:
        """Accept a connection, if one waits; gives whether there may be more."""
        try:
            connection, _ = self._sock.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionError:  # it was broken off before it was accepted
            return True
        except OSError as error:
            self._report(error)
            self._pause(_OUT_OF_DESCRIPTORS_S)
            return False
        connection.setblocking(False)  # noqa: FBT003  # the socket's own interface
        task = self._loop.create_task(self._open(connection))
        self._opening[task] = None
        task.add_done_callback(lambda ended: self._opening.pop(ended, None))
        return True

    async def _open(self, connection: socket.socket) -> None:
        tls = self._tls
        if tls is not None and len(self._opening) > MAX_HANDSHAKES and self._sock.fileno() >= 0:
            oldest = next(iter(self._opening))
            del self._opening[oldest]  # it takes a moment to end, in which others are to find the next one
            oldest.cancel()
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol,
                connection,
                ssl=None if tls is None else tls.context,
                ssl_handshake_timeout=None if tls is None else tls.handshake_timeout_s,
                ssl_shutdown_timeout=None if tls is None else tls.shutdown_timeout_s,
            )
        except (OSError, asyncio.CancelledError):  # it was broken off meanwhile, or is no TLS, or takes too long
            connection.close()

    def _report(self, error: OSError) -> None:
        if time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + _REPORT_S
            logger.error("no connection can be accepted: %s", error.strerror)
