"""A process of its own for what reads a model that may be hostile: isolated, with limits on time and memory.

It runs in a new folder: `model.h5` is there when it starts, and it leaves its `result` or, in `refused`, the message of
a `ModelError`. What it writes to `steps` with `begin_step` is logged here, line by line. It ends with its parent, whose
end closes its standard input.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_api.errors import ModelError

_MODEL, _RESULT, _REFUSED, _LOG, _STEPS = "model.h5", "result", "refused", "log", "steps"
_LOOK_S = 0.2
"""How often it is looked whether the child has begun another step."""
_MAX_LOG = 100_000  # characters shown with `--debug`
_MAX_STEPS = 1000  # characters; the child is not to be trusted

logger = logging.getLogger(__name__)

Work = Callable[[bytes, Sequence[str]], bytes]
"""Makes the result of the content of a `.h5`, and of arguments."""


@dataclass(frozen=True)
class Limits:
    """What a process may take; memory and processor time are limited where the operating system can."""

    time_s: float
    processor_s: int
    memory_bytes: int
    """Without what the model's size and the cores add."""
    memory_factor: int = 4
    """More memory, in times of the `.h5`, for copies of the weights."""
    memory_bytes_a_core: int = 64 << 20
    """More memory for each core, on which libraries start threads."""

    def compute_memory(self, model_bytes: int) -> int:
        """Compute the most memory for a model, in bytes."""
        return self.memory_bytes + self.memory_factor * model_bytes + self.memory_bytes_a_core * (os.cpu_count() or 1)


def run_in_child(module: str, content: bytes, *arguments: str, limits: Limits, task: str) -> bytes:
    """Run a module, which calls `run_as_child`, in a child process.

    Args:
        module: the module's name.
        content: the content of a `.h5`.
        arguments: further arguments of the module's work.
        limits: what it may take.
        task: what it does, for a message, as in "compiling it".

    Returns:
        The result of the module's work.

    Raises:
        ModelError: the work raised one, failed, or took too much. Its note, which a traceback shows, is all that the
            child wrote.
    """
    try:
        with tempfile.TemporaryDirectory(prefix="fashion-api-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / _MODEL).write_bytes(content)
            status = _run(folder, [module, json.dumps(asdict(limits)), *arguments], limits, task)
            if status == 0:
                return (folder / _RESULT).read_bytes()
            raise _explain(folder, status, limits, task)
    except OSError as error:
        raise ModelError(
            f"{task} needs the temporary folder {tempfile.gettempdir()}: {error.strerror}; set TMPDIR"
        ) from error


def _run(folder: Path, arguments: list[str], limits: Limits, task: str) -> int:
    """Run the child until it ends, or its time is over."""
    command = [sys.executable, "-P", "-m", *arguments]  # -P: no module from the current folder
    with (
        (folder / _LOG).open("wb") as log,
        subprocess.Popen(  # noqa: S603  # our own command
            command, cwd=folder, env=_make_environment(folder), stdin=subprocess.PIPE, stdout=log, stderr=log
        ) as child,
    ):
        try:
            return _wait(child, folder / _STEPS, limits.time_s)
        except subprocess.TimeoutExpired:
            raise ModelError(f"{task} took more than {limits.time_s:g} s") from None
        finally:
            child.kill()


def _wait(child: "subprocess.Popen[bytes]", steps: Path, time_s: float) -> int:
    """Wait for the end of a child, and log its steps meanwhile."""
    until_s, logged = time.monotonic() + time_s, 0
    while True:
        left_s = until_s - time.monotonic()
        try:
            return child.wait(max(0, min(left_s, _LOOK_S)))
        except subprocess.TimeoutExpired:
            if left_s <= 0:
                raise
        with contextlib.suppress(OSError):  # it has begun none
            lines = steps.read_text(encoding="utf-8", errors="replace")[:_MAX_STEPS].splitlines()
            for line in lines[logged:]:
                logger.info("%s", line)
            logged = len(lines)


def _make_environment(folder: Path) -> dict[str, str]:
    """Give the child's environment: no module comes from a place that depends on the current folder."""
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = dict.fromkeys(("KERAS_HOME", "TEMP", "TMP", "TMPDIR"), str(folder))
    return os.environ | own | {"PYTHONPATH": os.pathsep.join(paths)}


def _explain(folder: Path, status: int, limits: Limits, task: str) -> ModelError:
    """Make the error that says why the child did not succeed."""
    refused, log = folder / _REFUSED, (folder / _LOG).read_text(errors="replace")[-_MAX_LOG:].strip()
    if refused.exists():
        error = ModelError(refused.read_text(encoding="utf-8"))
    elif -status == getattr(signal, "SIGXCPU", None):
        error = ModelError(f"{task} took more than {limits.processor_s} s of processor time")
    elif status < 0:
        error = ModelError(f"{task} was ended by {signal.Signals(-status).name}: it is damaged, or needs more memory")
    else:
        last_line = log.rpartition("\n")[2]
        error = ModelError(f"{task} ended with status {status}: {last_line:.300}")
    if log:
        error.add_note(f"The output of the process:\n{log}")
    return error


def begin_step(name: str) -> None:
    """Say, in the child process, what it begins."""
    with Path(_STEPS).open("a", encoding="utf-8") as file:
        file.write(f"{name}\n")


def run_as_child(work: Work) -> int:
    """Work in the child process, in whose folder the model is, and give the exit status."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent may have it ignored
    threading.Thread(target=_end_with_parent, args=(Path.cwd(),), daemon=True).start()
    limits, arguments = Limits(**json.loads(sys.argv[1])), sys.argv[2:]
    content = Path(_MODEL).read_bytes()
    _limit_resources(memory_bytes=limits.compute_memory(len(content)), processor_s=limits.processor_s)
    try:
        Path(_RESULT).write_bytes(work(content, arguments))
    except Exception as error:  # noqa: BLE001  # the border of the process: the parent says it
        traceback.print_exc()
        Path(_REFUSED).write_text(_describe(error), encoding="utf-8")
        return 1
    return 0


def _describe(error: Exception) -> str:
    if isinstance(error, ModelError):
        return str(error)
    if isinstance(error, MemoryError):
        return "it takes more memory than a model of its size may"
    return " ".join(f"it fails: {type(error).__name__}: {error}".split())[:500]


def _end_with_parent(folder: Path) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _limit_resources(*, memory_bytes: int, processor_s: int) -> None:
    try:
        import resource  # noqa: PLC0415  # Unix only
    except ImportError:
        return
    limits = {resource.RLIMIT_DATA: memory_bytes, resource.RLIMIT_CPU: processor_s, resource.RLIMIT_CORE: 0}
    for kind, value in limits.items():
        with contextlib.suppress(ValueError, OSError):  # a lower limit is in force
            resource.setrlimit(kind, (value, value + 1))  # the first is told by SIGXCPU, the second ends the process
