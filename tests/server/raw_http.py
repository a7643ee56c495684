"""Raw bytes sent to a real uvicorn in a thread, and what comes back."""

import asyncio
import functools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import uvicorn

from fashion_api.inference.classifier import Classifier
from fashion_api.rest.app import create_app
from fashion_api.server.connection import App, Connections, make_protocol
from fashion_api.server.worker import make_config
from fashion_api.settings import Settings
from tests.fakes import load_fake_test_set, model_loader
from tests.raw_http import LIMIT_S


@dataclass(frozen=True)
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:  # noqa: ANN401  # of whatever JSON it is
        return json.loads(self.body)

    def is_final_problem(self) -> bool:
        """Whether it is a problem with an id, after which the connection ends."""
        return (
            self.headers["content-type"] == "application/problem+json"
            and self.headers["connection"] == "close"
            and self.headers["x-request-id"] == self.json()["request_id"]
            and self.status == self.json()["status"]
        )


def parse_answers(received: bytes) -> list[Answer]:
    """Read responses, each with a `Content-Length`; 100 Continue is left out."""
    answers = []
    while received:
        head, _, rest = received.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        status, length = int(line.split()[1]), int(headers.get("content-length", 0))
        assert line.startswith("HTTP/1.1 ")
        assert len(rest) >= length
        if status != 100:
            answers.append(Answer(status, headers, rest[:length]))
        received = rest[length:]
    return answers


class Caller:
    """A connection to a server."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=LIMIT_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def flood(self, data: bytes, *, times: int) -> None:
        """Send it so often, or until the server takes no more."""
        try:
            for _ in range(times):
                self.socket.sendall(data)
        except OSError:
            pass

    def read_until(self, end: bytes) -> bytes:
        """Read until this has come; for an answer after which the connection stays open."""
        received = b""
        while end not in received:
            received += (more := self.socket.recv(65536))
            assert more, received
        return received

    def read_answers(self) -> list[Answer]:
        """Read all that comes until the server ends the connection."""
        received = b""
        try:
            while more := self.socket.recv(65536):
                received += more
        except ConnectionResetError:
            pass
        self.socket.close()
        return parse_answers(received)

    def ask(self, *packets: bytes) -> list[Answer]:
        """Send something and read all that comes."""
        for packet in packets:
            self.send(packet)
        return self.read_answers()


class RunningServer:
    """A server in a thread, with the service's own configuration and a fake model."""

    def __init__(
        self, settings: Settings, classifier: Classifier | None = None, *, inner: type[asyncio.Protocol] | None = None
    ) -> None:
        self.connections = Connections(settings)
        config = make_config(settings, self.connections, functools.partial(make_fake_app, settings, classifier))
        if inner is not None:
            config.http = make_protocol(self.connections, inner=inner)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.address: tuple[str, int] = self._socket.getsockname()
        self._callers: list[Caller] = []
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})
        self._thread.start()

    def connect(self) -> Caller:
        self._callers.append(Caller(self.address))
        return self._callers[-1]

    def stop(self) -> None:
        """Stop it as SIGTERM would; the callers are still there."""
        self._server.should_exit = True
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        for caller in self._callers:
            caller.socket.close()


def make_fake_app(settings: Settings, classifier: Classifier | None) -> App:
    return create_app(settings, load_model=model_loader(classifier), load_test_set=load_fake_test_set)


Serve = Callable[..., RunningServer]


@contextmanager
def start_servers(settings: Settings) -> Iterator[Serve]:
    """Start servers with changed settings; all are stopped in the end."""
    servers = []

    def start(
        classifier: Classifier | None = None, *, inner: type[asyncio.Protocol] | None = None, **changes: object
    ) -> RunningServer:
        servers.append(RunningServer(settings.model_copy(update=changes), classifier, inner=inner))
        return servers[-1]

    try:
        yield start
    finally:
        for server in servers:
            server.stop()
