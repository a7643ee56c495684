"""A reader at a desk: a clean copy of the repository, a shell, and services that are started as a page says."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from tests.docs.blocks import Block
from tests.servers import ROOT, find_free_port

_LIMIT_S = 120
_NOT_OURS = re.compile(r"FASHION_|MAKE|MFLAGS$|ARGS$", re.IGNORECASE)
"""Settings, and what a `make test` hands to any `make` below it; no reader of a page has them."""
_DEFAULT_PORT = re.compile(r"\b8000\b")
_GRPC_PORT = re.compile(r"\b8001\b")


def copy_repository(folder: Path) -> None:
    """Copy what a clone holds, with this environment in place of the one that `make` would install."""
    command = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603  # ours
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    for name in (".installed-train", ".installed-dev"):
        (folder / ".venv" / name).touch()


class Desk:
    """Runs the blocks of one page, one after the other, in one folder."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        """Where the service is that the page's requests are for; pages write 8000."""
        self.grpc_port = find_free_port()
        """Where it is asked over gRPC; pages write 8001."""
        self.output = ""
        """What the last block printed."""
        self._service: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> None:
        """Run a block of Python or shell, or write it into the file that it is.

        Raises:
            AssertionError: it ends with another status than it should.
        """
        content = self._address(block.note if block.mark == "run instead" else block.content)
        if block.title:
            (self.folder / block.title).write_text(content)
            return
        command = ("python", "-c", content) if block.language == "python" else _shell(content)
        if block.mark == "serves":
            self._serve(command)
            return
        process = self._start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.output, errors = process.communicate(timeout=_LIMIT_S)
        except subprocess.TimeoutExpired:
            _end(process, signal.SIGKILL)
            raise
        failed = process.returncode != 0
        assert failed == (block.mark == "fails"), f"status {process.returncode}\n{self.output}\n{errors}"

    def _address(self, content: str) -> str:
        return _GRPC_PORT.sub(str(self.grpc_port), _DEFAULT_PORT.sub(str(self.port), content))

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not _NOT_OURS.match(name)}
        path = os.pathsep.join([str(self.folder / ".venv" / "bin"), kept["PATH"]])
        return {**kept, "PATH": path, "CURL_HOME": str(ROOT / "tests" / "docs"), "FASHION_PORT": str(self.port)}

    def _start(self, command: Sequence[str], **pipes: int) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # type: ignore[call-overload, no-any-return]  # noqa: S603  # commands of our own pages
            command,
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            **pipes,
        )

    def _serve(self, command: tuple[str, ...]) -> None:
        self.stop()
        old, self.port = str(self.port), find_free_port()
        command = tuple(part.replace(old, str(self.port)) for part in command)
        self._service = self._start(command)
        end = time.monotonic() + _LIMIT_S
        with httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=_LIMIT_S) as client:
            while True:
                assert self._service.poll() is None, "it has ended"
                assert time.monotonic() < end, "it does not answer"
                try:
                    client.get("/livez")
                except httpx2.TransportError:
                    time.sleep(0.1)
                else:
                    return

    def stop(self) -> None:
        """End the service that the page has started, if any."""
        if self._service is not None:
            _end(self._service, signal.SIGTERM)
            self._service = None


def _end(process: "subprocess.Popen[str]", how: signal.Signals) -> None:
    """End a process and all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, how)
        process.communicate(timeout=_LIMIT_S)


def _shell(content: str) -> tuple[str, ...]:
    return ("bash", "-euo", "pipefail", "-c", content)


@contextmanager
def sit_down(folder: Path, port: int) -> Iterator[Desk]:
    """Give a desk in an empty folder."""
    copy_repository(folder)
    desk = Desk(folder, port)
    try:
        yield desk
    finally:
        desk.stop()
