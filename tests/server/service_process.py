"""`fashion-api serve` in processes of its own, as its operators meet it."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.raw_http import LIMIT_S
from tests.server.forked_service import FAULTS, ForkedService
from tests.servers import ROOT, Log

_ARGUMENTS = ("serve", "--port", "0")

_BODY = b'{"images": [%s]}' % str([[0] * 28] * 28).encode()
_HEAD = (
    b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
)


class ServiceProcess:
    """A running service.

    Args:
        environment: its settings, and what else differs for it.
        stderr: where its standard error goes.
        is_forked: whether its start is none of the test's business.
    """

    def __init__(self, environment: dict[str, str], *, stderr: int = subprocess.PIPE, is_forked: bool = False) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FASHION_")}
        path = os.pathsep.join(filter(None, [str(FAULTS), str(ROOT / "src"), kept.get("PYTHONPATH", "")]))
        # Standard error is as users have it; the documentation, which is asked for in no test here, takes a start a
        # sixth of its time.
        environment = kept | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "", "FASHION_DOCS": "false"} | environment
        self.process: subprocess.Popen[str] | ForkedService
        if is_forked and sys.platform == "linux":  # elsewhere not all libraries can be forked
            self.process = ForkedService(_ARGUMENTS, cwd=ROOT, env=environment)
        else:
            self.process = subprocess.Popen(  # noqa: S603  # our own command
                [sys.executable, "-m", "fashion_api", *_ARGUMENTS],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=stderr,
                text=True,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The first process."""
        return self.process.pid

    def find_workers(self) -> list[int]:
        """The worker processes of a supervisor that are there; others may end meanwhile."""
        return [int(child) for child in self.find_children() if b"fashion_api.server.worker_process" in _name(child)]

    def find_children(self) -> list[str]:
        """All processes that it has started and that are there."""
        return Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()

    def send(self, signum: int) -> None:
        """Send a signal to the first process only."""
        self.process.send_signal(signum)

    def wait(self) -> int:
        """Wait for its end; gives the exit status."""
        return self.process.wait(LIMIT_S)

    def kill(self) -> None:
        """End all of it by force."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End all of it by force, and what reads it."""
        self.kill()
        if self.process.stderr is not None:
            self.process.stderr.close()


def _name(pid: str) -> bytes:
    """Give a process's command; empty where it has ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


class Service(ServiceProcess):
    """A running service whose log is read."""

    def __init__(self, environment: dict[str, str], *, is_forked: bool = False) -> None:
        super().__init__(environment, is_forked=is_forked)
        self.log = Log(self.process.stderr)
        self._has_supervisor = environment.get("FASHION_WORKERS", "1") != "1"

    @property
    def port(self) -> int:
        """Where it serves, or will serve."""
        return int(self.log.wait_for(r"will serve on https?://127\.0\.0\.1:(\d+)")[1])

    def wait_until_ready(self, *, times: int) -> None:
        """Wait until workers have become ready so many times, and accept connections."""
        self.log.wait_for("is ready after" if self._has_supervisor else ": ready: http", times=times)
        connect(self.port).close()

    def end(self) -> None:
        """End all of it by force, once its log is read."""
        self.kill()
        self.log.wait_for_end()
        super().end()

    def stop(self) -> int:
        """End it as an operator would; gives the exit status."""
        self.send(signal.SIGTERM)
        status = self.wait()
        self.log.wait_for_end()
        return status


@contextmanager
def serve(*, workers: int = 1, is_ready: bool = True, **environment: str) -> Iterator[Service]:
    """A service that is ended in any case; the command itself is run where its start is tested."""
    service = Service({"FASHION_WORKERS": str(workers), **environment}, is_forked=is_ready)
    try:
        if is_ready:
            service.wait_until_ready(times=workers)
        yield service
    finally:
        service.end()


def connect(port: int) -> socket.socket:
    """Connect to a service, which may not listen yet."""
    give_up = threading.Event()
    timer = threading.Timer(LIMIT_S, give_up.set)
    timer.start()
    try:
        while True:
            try:
                return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S)
            except ConnectionRefusedError:
                if give_up.wait(0.01):
                    raise
    finally:
        timer.cancel()


def ask(connection: socket.socket, path: str = "/readyz") -> bytes:
    """Send a GET request on a connection, and read the answer; empty where the connection ended."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return read_answer(connection)


def begin_request(connection: socket.socket, path: str = "/api/v1/predictions") -> None:
    """Send the head of a request, and wait until the service waits for its body."""
    connection.sendall(_HEAD % (path.encode(), len(_BODY)))
    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"


def finish_request(connection: socket.socket) -> bytes:
    """Send the body of a request that was begun, and read the answer."""
    connection.sendall(_BODY)
    return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Read an answer with a Content-Length; what there is of it, where the connection ended."""
    answer = b""
    while True:
        try:
            received = connection.recv(65536)
        except ConnectionError:
            return answer
        answer += received
        head, _, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not received or (length and len(body) >= int(length[1])):
            return answer


def get(port: int, path: str = "/readyz") -> bytes:
    """Ask on a connection of its own."""
    with connect(port) as connection:
        return ask(connection, path)
