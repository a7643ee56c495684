"""One keep-alive HTTP/1.1 connection that blocks for nothing, as the load generator needs it."""

import contextlib
import re
import select
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

Address = tuple[str, int]

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_RECEIVED_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire, and the classes that the right answer names."""

    content: bytes
    class_ids: tuple[int, ...]


@dataclass(frozen=True)
class Response:
    """An answer; status 0 where the connection broke before it was whole."""

    status: int
    body: bytes


class Connection:
    """A socket with at most one request under way, registered with an epoll object."""

    def __init__(self, address: Address, poller: select.epoll) -> None:
        self._poller = poller
        self._socket = socket.socket()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(0)
        self._socket.connect_ex(address)  # in progress, mostly; what is sent waits for it
        self._descriptor = self._socket.fileno()
        poller.register(self._descriptor, select.EPOLLIN)
        self._unsent = memoryview(b"")
        self._received = b""
        self.is_open = True
        self.request = Request(b"", ())
        self.due = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def fileno(self) -> int:
        """The socket's descriptor, also when it is closed."""
        return self._descriptor

    def close(self) -> None:
        """Close the socket; closing twice does nothing."""
        self.is_open = False
        self._socket.close()

    def send(self, request: Request, due: float) -> None:
        """Send a request that was due at `due`, as much of it as goes at once."""
        self.request, self.due = request, due
        self._received = b""
        self._unsent = memoryview(request.content)
        self._send_more()
        if self._unsent:
            self._poller.modify(self._descriptor, select.EPOLLIN | select.EPOLLOUT)

    def _send_more(self) -> None:
        with contextlib.suppress(OSError):  # full, or still connecting; where it is broken, reading says so
            while self._unsent:
                self._unsent = self._unsent[self._socket.send(self._unsent) :]

    def handle(self, events: int) -> Response | None:
        """Take note of what epoll has reported; gives the answer once it is whole."""
        if events & select.EPOLLOUT:
            self._send_more()
            if not self._unsent:
                self._poller.modify(self._descriptor, select.EPOLLIN)
        if not events & ~select.EPOLLOUT:
            return None
        try:
            received = self._socket.recv(_RECEIVED_AT_ONCE)
        except BlockingIOError:
            return None
        except OSError:
            received = b""
        if not received:
            self.close()
            return Response(0, b"")
        self._received = self._received + received if self._received else received
        return self._parse()

    def _parse(self) -> Response | None:
        head_end = self._received.find(b"\r\n\r\n")
        if head_end < 0:
            return None
        length = _CONTENT_LENGTH.search(self._received, 0, head_end)
        if length:
            is_whole = len(self._received) >= head_end + 4 + int(length[1])
        elif _CHUNKED.search(self._received, 0, head_end):
            is_whole = self._received.endswith(_LAST_CHUNK)
        else:
            is_whole = True
        if not is_whole:
            return None
        if _CLOSE.search(self._received, 0, head_end):
            self.close()
        return Response(int(self._received[9:12]), self._received[head_end + 4 :])
