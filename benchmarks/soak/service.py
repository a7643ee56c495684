"""The service under test: started, watched through /proc, signalled and ended."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.servers import HOST, ROOT, find_free_port

_LIMIT_S = 120.0


class SoakError(Exception):
    """The service did not do what it must; the message says what."""


class NotCheckedError(Exception):
    """What a part needs cannot be had on this machine; the message says what."""


class SoakedService:
    """A `fashion-api serve` on a port of its own, which may be started again and again."""

    def __init__(self, folder: Path, *, workers: int = 1, **settings: str) -> None:
        self.address = (HOST, find_free_port())
        self.workers = workers
        self._settings = {"FASHION_PORT": str(self.address[1]), "FASHION_WORKERS": str(workers)} | settings
        self._log = folder / f"service-{self.address[1]}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it; gives the seconds until all its workers were ready."""
        started = time.perf_counter()
        before = self.count_ready()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FASHION_")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # our own command
                [sys.executable, "-m", "fashion_api", "serve"],
                cwd=ROOT,
                env=kept | self._settings,
                stdin=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,
            )
        self.wait_until_ready(before + self.workers)
        return time.perf_counter() - started

    def wait_until_ready(self, times: int) -> None:
        """Wait until workers have become ready so many times since the first start.

        Raises:
            SoakError: they have not, within two minutes.
        """
        deadline = time.monotonic() + _LIMIT_S
        while self.count_ready() < times:
            if time.monotonic() > deadline:
                raise SoakError(f"not ready in time: {self.read_log()[-500:]}")
            time.sleep(0.01)

    def count_ready(self) -> int:
        """How often a worker has become ready."""
        return self.read_log().count(": ready: ")

    def read_log(self) -> str:
        """All that it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def find_processes(self) -> list[int]:
        """All its processes, the first one first."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and self.process is not None:
                with contextlib.suppress(OSError, IndexError):
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self.process.pid and fields[0] != "Z":  # the session
                        found.append(int(entry.name))
        return sorted(found)

    def find_workers(self) -> list[int]:
        """The processes that serve."""
        found = self.find_processes()
        if self.workers == 1:
            return found
        return [
            pid for pid in found if b"fashion_api.server.worker_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def find_callers(self, pid: int) -> set[int]:
        """The callers' ports of the connections that a process holds."""
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ports = {
            f"socket:[{row[9]}]": int(row[2].split(":")[1], 16)
            for row in rows
            if int(row[1].split(":")[1], 16) == self.address[1]
        }
        held = set()
        for file in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                held.add(str(file.readlink()))
        return {port for link, port in ports.items() if link in held}

    def stop(self) -> None:
        """Stop it as an operator would.

        Raises:
            SoakError: it did not end with status 0.
        """
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(_LIMIT_S)
        if status != 0:
            raise SoakError(f"ended with status {status}: {self.read_log()[-500:]}")

    def end(self) -> None:
        """End all of it by force."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def soak(folder: Path, *, workers: int = 1, **settings: str) -> Iterator[SoakedService]:
    """A running service, which is ended in any case."""
    service = SoakedService(folder, workers=workers, **settings)
    try:
        service.start()
        yield service
    finally:
        service.end()
