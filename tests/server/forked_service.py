"""`fashion-api serve` in a fork of a process that has imported it: a tenth of the work of a start.

The first service that is started starts that process, which ends with the tests.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

FAULTS = Path(__file__).parent / "faults"

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["fashion_api.cli.serve", "fashion_api.server.supervisor", "fashion_api.server.worker"])


class ForkedService:
    """Is used as the `subprocess.Popen` of `python -m fashion_api ARGUMENTS`, in a session of its own."""

    def __init__(self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> None:
        receiver, sender = _FORKS.Pipe(duplex=False)
        with receiver, sender:
            self._process = _FORKS.Process(target=_run, args=(tuple(arguments), cwd, dict(env), sender))
            self._process.start()
            self.stderr = open(os.dup(receiver.fileno()))  # noqa: PTH123, SIM115  # no path of a file; its user closes it
        assert self._process.pid is not None
        self.pid = self._process.pid

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it has ended."""
        if self._process.is_alive():
            os.kill(self.pid, signum)

    def wait(self, timeout_s: float | None = None) -> int:
        """Wait for its end; gives the exit status, negative for a signal."""
        self._process.join(timeout_s)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode


def _run(arguments: tuple[str, ...], cwd: Path, env: dict[str, str], stderr: Connection) -> None:
    """Set the fork up as a new interpreter would find itself, and run the command."""
    os.setsid()
    os.chdir(cwd)
    with stderr:
        os.dup2(stderr.fileno(), 2)
    os.environ.clear()
    os.environ.update(env)
    runpy.run_path(str(FAULTS / "sitecustomize.py"))
    sys.argv = ["fashion-api", *arguments]

    from fashion_api.__main__ import main  # noqa: PLC0415  # the tests' own process needs nothing of it

    try:
        main()
    finally:
        with suppress(OSError):
            sys.stderr.flush()
        sys.stderr = None  # an interpreter passes over what it cannot flush there; a fork would fail
