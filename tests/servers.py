"""Servers in processes of their own: `fashion-api serve`, and an app under any ASGI server."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx2

from tests.raw_http import LIMIT_S, Address

ROOT = Path(__file__).parents[1]
LOCALHOST = "127.0.0.1"

MakeCommand = Callable[[str, int], Sequence[str]]

ASGI_SERVERS: Mapping[str, MakeCommand] = {
    "uvicorn": lambda app, port: ("uvicorn", app, f"--port={port}", "--no-access-log"),
    "granian": lambda app, port: ("granian", app, f"--port={port}", "--interface=asgi"),
    "hypercorn": lambda app, port: ("hypercorn", app, f"--bind={LOCALHOST}:{port}"),
}
"""The command, after `python -m`, with which each serves an app on a port."""


class Log:
    """What a process writes to standard error, as it comes."""

    def __init__(self, stderr: IO[str] | None) -> None:
        assert stderr is not None
        self.lines: list[str] = []
        self._stderr = stderr
        self._has_changed = threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait_for(self, pattern: str, *, times: int = 1) -> "re.Match[str]":
        """Wait until so many lines match, and give the match of the last.

        Raises:
            AssertionError: the process has ended, or too much time has passed, before they came.
        """
        with self._has_changed:
            self._has_changed.wait_for(lambda: self._is_over or len(self.find(pattern)) >= times, LIMIT_S)
            found = self.find(pattern)
        assert len(found) >= times, f"no {pattern!r} in:\n{''.join(self.lines)}"
        return found[times - 1]

    def wait_for_end(self) -> None:
        """Wait until the process, and whatever it has started, writes no more."""
        self._thread.join(LIMIT_S)
        assert self._is_over

    def find(self, pattern: str) -> "list[re.Match[str]]":
        """Give every match, at most one a line."""
        return [match for line in self.lines if (match := re.search(pattern, line))]

    def _read(self) -> None:
        for line in self._stderr:
            with self._has_changed:
                self.lines.append(line)
                self._has_changed.notify_all()
        with self._has_changed:
            self._is_over = True
            self._has_changed.notify_all()


class ServerProcess:
    """A server, from its start to its end."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=_make_environment(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = Log(self.process.stderr)
        self.address: Address = (LOCALHOST, 0)

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://{self.address[0]}:{self.address[1]}"

    def connect(self) -> httpx2.Client:
        """Give a client of it, which may not listen yet."""
        transport = httpx2.HTTPTransport(retries=8)
        return httpx2.Client(base_url=self.url, transport=transport, timeout=LIMIT_S)

    def wait_until_ready(self) -> None:
        """Wait until it answers."""
        self.log.wait_for(r"\bready\b")
        with self.connect() as client:
            client.get("/livez").raise_for_status()

    def stop(self) -> int:
        """End it as an operator would; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended and all of its log is read; gives the exit status."""
        status = self.process.wait(LIMIT_S)
        self.log.wait_for_end()
        return status


@contextmanager
def start(command: Sequence[str], **environment: str) -> Iterator[ServerProcess]:
    """Start a server, which is ended in any case."""
    server = ServerProcess(command, environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
            try:
                server.process.wait(LIMIT_S)
            finally:
                server.process.kill()
        server.log.wait_for_end()
        assert server.process.stderr is not None
        server.process.stderr.close()


@contextmanager
def serve(*flags: str, **environment: str) -> Iterator[ServerProcess]:
    """Start `fashion-api serve` on a free port, and wait until it answers."""
    with start(("fashion_api", "serve", "--port=0", *flags), **environment) as server:
        server.address = (LOCALHOST, int(server.log.wait_for(r"will serve on http://\S+:(\d+)")[1]))
        server.wait_until_ready()
        yield server


@contextmanager
def serve_app(name: str, app: str, *flags: str, **environment: str) -> Iterator[ServerProcess]:
    """Serve an app by the ASGI server of this name, and wait until it answers."""
    port = find_free_port()
    with start((*ASGI_SERVERS[name](app, port), *flags), **environment) as server:
        server.address = (LOCALHOST, port)
        server.wait_until_ready()
        yield server


def find_free_port() -> int:
    """Give a port that was free a moment ago."""
    with socket.create_server((LOCALHOST, 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _make_environment(changes: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process, without its settings."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith("FASHION_")}
    path = os.pathsep.join(filter(None, (str(ROOT), kept.get("PYTHONPATH", ""))))
    return {**kept, "PYTHONPATH": path, **changes}
