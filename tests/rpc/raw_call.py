"""Calls as bytes of HTTP/2, for what no gRPC client sends."""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from tests.raw_http import LIMIT_S


def ask_raw(
    port: int, path: bytes, body: bytes | None, headers: Iterable[tuple[bytes, bytes]] = ()
) -> dict[bytes, bytes]:
    """Send a call, and give the headers and trailers of its answer; empty where the connection was ended.

    Args:
        port: of the server.
        path: of the method.
        body: the messages, as they are framed; `None`: none is sent, and the call is not ended either.
        headers: further ones.
    """
    connection = H2Connection(
        H2Configuration(header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock:
        connection.initiate_connection()
        given = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
        connection.send_headers(1, [*given, (b"te", b"trailers"), (b"content-type", b"application/grpc"), *headers])
        if body is not None:
            connection.send_data(1, body, end_stream=True)
        sock.sendall(connection.data_to_send())
        found: dict[bytes, bytes] = {}
        with suppress(ProtocolError):  # something comes after the end of the connection
            while data := sock.recv(65536):
                for event in connection.receive_data(data):
                    if isinstance(event, (ResponseReceived, TrailersReceived)):
                        found.update(event.headers or ())
                    elif isinstance(event, (StreamEnded, StreamReset, ConnectionTerminated)):
                        return found
                sock.sendall(connection.data_to_send())
        return found


def frame(message: bytes) -> bytes:
    """Frame a message."""
    return b"\0" + len(message).to_bytes(4, "big") + message


@contextmanager
def stall(port: int, calls: Iterable[tuple[bytes, bytes]]) -> Iterator[Callable[[], set[int]]]:
    """Send calls, and take nothing of their answers while the block runs: the window of their streams has no byte.

    Args:
        port: of the server.
        calls: the path and the message of each.

    Yields:
        a function that waits for the next calls to end, and gives all that have ended by then, the first as 0.
    """
    connection = H2Connection(
        H2Configuration(header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    connection.local_settings = Settings(client=True, initial_values={SettingCodes.INITIAL_WINDOW_SIZE: 0})
    ended: set[int] = set()
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as sock:
        connection.initiate_connection()
        for number, (path, message) in enumerate(calls):
            given = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
            stream_id = 2 * number + 1
            connection.send_headers(stream_id, [*given, (b"te", b"trailers"), (b"content-type", b"application/grpc")])
            connection.send_data(stream_id, frame(message))
        sock.sendall(connection.data_to_send())

        def wait_for_ends() -> set[int]:
            before = len(ended)
            while len(ended) == before:
                data = sock.recv(65536)
                assert data, "the connection has ended"
                for event in connection.receive_data(data):
                    if isinstance(event, (StreamEnded, StreamReset)):
                        ended.add((event.stream_id or 0) // 2)
                sock.sendall(connection.data_to_send())
            return ended

        yield wait_for_ends
