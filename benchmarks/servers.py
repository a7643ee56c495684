"""Servers under test: started on given cores, watched until they answer, weighed and ended."""

import contextlib
import os
import secrets
import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.connection import Address, Connection, Request, Response
from benchmarks.load import Target

HOST = "127.0.0.1"
ROOT = Path(__file__).parent.parent
_MARK = "BENCHMARK_RUN"
_POLL_S = 0.005
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 15
_LONGEST_ANSWER_S = 30


class ContenderError(Exception):
    """A server does not start, or its answers are wrong; its row of the table says so."""


@dataclass(frozen=True)
class Memory:
    """What the processes of a server hold, in bytes."""

    pss: int
    """Proportional set size: what processes share is divided among them."""
    rss: int
    """Resident set size, with what is shared counted in each."""
    processes: int


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    address: Address
    mark: str
    started_at: float
    log: Path

    def find_processes(self) -> list[int]:
        """All that has come of the server's process, also where the ties to it are cut: they inherit its mark."""
        found = []
        wanted = f"{_MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if wanted in (entry / "environ").read_bytes().split(b"\0"):
                        found.append(int(entry.name))
        return found

    def measure_memory(self) -> Memory:
        """Weigh the whole tree of processes."""
        pss = rss = processes = 0
        for pid in self.find_processes():
            with contextlib.suppress(OSError):
                rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
                sizes = {row.split(":")[0]: int(row.split()[1]) * 1024 for row in rows}
                pss, rss, processes = pss + sizes["Pss"], rss + sizes["Rss"], processes + 1
        return Memory(pss, rss, processes)

    def measure_processor_s(self) -> float:
        """Give the processor time that the threads of all its processes have taken so far."""
        nanoseconds = 0
        for pid in self.find_processes():
            for schedule in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                with contextlib.suppress(OSError):
                    nanoseconds += int(schedule.read_text().split()[0])
        return nanoseconds / 1e9

    def forget_peak(self) -> None:
        """Begin anew to look for the most memory that is held at once."""
        for pid in self.find_processes():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def measure_peak(self) -> int:
        """Give the most resident bytes that its processes have held since the peak was last forgotten."""
        peak = 0
        for pid in self.find_processes():
            with contextlib.suppress(OSError):
                rows = dict(row.split(":", 1) for row in Path(f"/proc/{pid}/status").read_text().splitlines())
                peak += int(rows["VmHWM"].split()[0]) * 1024
        return peak

    def wait_for(self, target: Target) -> float:
        """Ask on a fresh connection every 5 ms until the answer is right.

        Returns:
            Seconds from the start of the process to then.

        Raises:
            ContenderError: the server ends, or takes too long.
        """
        while (waited := time.perf_counter() - self.started_at) < _START_TIMEOUT_S:
            if self.process.poll() is not None:
                break
            response = ask(self.address, target.requests[0])
            if response is not None and target.judge(target.requests[0], response) == "right":
                return time.perf_counter() - self.started_at
            time.sleep(_POLL_S)
        lines = self.log.read_text(errors="replace").strip().splitlines()
        raise ContenderError(f"gives no right answer within {waited:.0f} s; its log ends: {' | '.join(lines[-3:])}")


def ask(address: Address, request: Request) -> Response | None:
    """Ask once, on a connection of its own; `None` when there is no answer."""
    with select.epoll() as poller, Connection(address, poller) as connection:
        connection.send(request, 0)
        deadline = time.perf_counter() + _LONGEST_ANSWER_S
        while time.perf_counter() < deadline:
            for _, events in poller.poll(1):
                response = connection.handle(events)
                if response is not None:
                    return response if response.status else None
    return None


def verify(target: Target) -> None:
    """Ask for each of the images once, and hold the answers against the engine's own.

    Raises:
        ContenderError: one is wrong.
    """
    for position, request in enumerate(target.requests):
        response = ask(target.address, request)
        if response is None:
            raise ContenderError(f"gives no answer for request {position}")
        if target.judge(request, response) != "right":
            shown = response.body[:200].decode(errors="replace")
            raise ContenderError(f"answers request {position} wrongly, with status {response.status}: {shown}")


def find_free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def serve(
    command: Sequence[str], *, port: int, environment: Mapping[str, str], cores: set[int], log: Path
) -> Iterator[Server]:
    """Run a server on `cores`, with all its output in `log`, and end it and whatever came of it afterwards."""
    mark = secrets.token_hex(8)
    usable = os.sched_getaffinity(0)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        os.sched_setaffinity(0, cores)  # the child inherits it
        try:
            started_at = time.perf_counter()
            process = subprocess.Popen(  # noqa: S603  # the line-up's own commands
                command,
                cwd=log.parent,  # no .env is there
                env={**_clean_environment(), **environment, _MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.sched_setaffinity(0, usable)
    server = Server(process, (HOST, port), mark, started_at, log)
    try:
        yield server
    finally:
        _stop(server)


def _clean_environment() -> dict[str, str]:
    """What a server sees of our environment: no settings of the operator's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FASHION_", "PYTHON"))}
    return {**kept, "PYTHONPATH": str(ROOT)}


def _stop(server: Server) -> None:
    server.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.process.wait(_STOP_TIMEOUT_S)
    for pid in server.find_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
