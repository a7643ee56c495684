"""Calls as bytes of HTTP/2, for what no gRPC client sends."""

import socket
from collections.abc import Iterable
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError

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
