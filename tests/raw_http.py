"""HTTP/1.1 as it goes over a socket: requests written out by hand, and answers read back."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple

LIMIT_S = 120.0
"""No test waits for longer; none that passes comes near it."""
SWITCHING = 101
_OWN_TO_A_HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server"}

Address = tuple[str, int]


class Answer(NamedTuple):
    """A response, without what differs each time and what is the server's own."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """Its media type, without parameters; empty where it has none."""
        return self.headers.get("content-type", "").partition(";")[0]


def write_request(method: str, target: str, *headers: str, body: bytes = b"", version: str = "1.1") -> bytes:
    """Write out a request; the body's length is added where there is one."""
    lines = [f"{method} {target} HTTP/{version}", "Host: x", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1") + body


def make_answer(status: int, headers: dict[str, str], body: bytes) -> Answer:
    """Make an answer in which the request's id is called ID."""
    kept = {name: value for name, value in headers.items() if name not in _OWN_TO_A_HOP}
    request_id = kept.pop("x-request-id", "")
    return Answer(status, kept, body.replace(request_id.encode(), b"ID") if request_id else body)


def read_answer(file: BinaryIO, *, has_body: bool = True) -> Answer:
    """Read one response, passing over interim ones.

    Raises:
        ConnectionError: there is none.
    """
    status = 100
    while status < 200 and status != SWITCHING:
        line = file.readline()
        if not line:
            raise ConnectionError("the server has closed the connection")
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        for field in iter(file.readline, b"\r\n"):
            name, _, value = field.decode("latin-1").rstrip("\r\n").partition(":")
            name = name.lower()
            headers[name] = f"{headers[name]}, {value.strip()}" if name in headers else value.strip()
    return make_answer(status, headers, _read_body(file, headers) if has_body and status != SWITCHING else b"")


def _read_body(file: BinaryIO, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") == "chunked":
        chunks = []
        while size := int(file.readline(), 16):
            chunks.append(file.read(size))
            file.readline()
        file.readline()
        return b"".join(chunks)
    return file.read(int(headers["content-length"])) if "content-length" in headers else file.read()


class Connection:
    """A connection to a server."""

    def __init__(self, sock: socket.socket, file: BinaryIO) -> None:
        self._sock = sock
        self._file = file

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._sock.sendall(data)

    def read_answer(self, *, has_body: bool = True) -> Answer:
        """Read the next response."""
        return read_answer(self._file, has_body=has_body)

    def ask(self, raw: bytes) -> Answer:
        """Send a request, and read its response."""
        self.send(raw)
        return self.read_answer(has_body=not raw.startswith(b"HEAD"))

    def read_rest(self) -> bytes:
        """Read until the server closes the connection."""
        try:
            return self._file.read()
        except ConnectionResetError:  # it closed before it had read all that was sent
            return b""

    def close(self) -> None:
        """Go away, without waiting for anything."""
        self._file.close()
        self._sock.close()


@contextmanager
def connect(address: Address) -> Iterator[Connection]:
    """Open a connection of the caller's own."""
    with socket.create_connection(address, timeout=LIMIT_S) as sock, sock.makefile("rb") as file:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Connection(sock, file)


def ask(address: Address, raw: bytes) -> Answer:
    """Send bytes on a connection of their own, and read the response to them."""
    with connect(address) as connection:
        return connection.ask(raw)
