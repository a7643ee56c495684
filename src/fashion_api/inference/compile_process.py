"""Compiling in a process of its own: serving never imports TensorFlow, and a hostile model has limits.

The process runs isolated in a new folder: `model.h5` is there when it starts, and it leaves `model.onnx` or, in
`refused`, the message of a `ModelError`. It ends with its parent, whose end closes its standard input.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from fashion_api.errors import ModelError
from fashion_api.inference.manifest import InputSpec

_MODEL, _COMPILED, _REFUSED, _LOG = "model.h5", "model.onnx", "refused", "log"
_MAX_LOG = 100_000  # characters shown with `--debug`


@dataclass(frozen=True)
class Limits:
    """What compiling may take; memory and processor time are limited where the operating system can."""

    time_s: float = 600
    processor_s: int = 600
    memory_bytes: int = 4 << 30
    """Without weights and threads; TensorFlow alone takes less than 1 GiB."""
    memory_factor: int = 12
    """More memory, in times of the `.h5`: copies of the weights, which Keras, TensorFlow and the export make."""
    memory_bytes_a_core: int = 64 << 20
    """More memory for each core, on which TensorFlow starts threads."""

    def compute_memory(self, model_bytes: int) -> int:
        """Compute the most memory for a model, in bytes."""
        return self.memory_bytes + self.memory_factor * model_bytes + self.memory_bytes_a_core * (os.cpu_count() or 1)


def compile_in_child(
    content: bytes, spec: InputSpec, *, temperature: float, said_by: str, limits: Limits | None = None
) -> bytes:
    """Compile the content of a `.h5` in a child process; the other arguments and the result are those of `build`.

    Raises:
        ModelError: it cannot be compiled; its note, which a traceback shows, is all that the child wrote.
    """
    limits = limits or Limits()
    arguments = [spec.model_dump_json(), repr(temperature), said_by, json.dumps(asdict(limits))]
    try:
        with tempfile.TemporaryDirectory(prefix="fashion-api-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / _MODEL).write_bytes(content)
            status = _run(folder, arguments, limits.time_s)
            if status == 0:
                return (folder / _COMPILED).read_bytes()
            raise _explain(folder, status, limits)
    except OSError as error:
        raise ModelError(
            f"it cannot be compiled in the temporary folder {tempfile.gettempdir()}: {error.strerror}; set TMPDIR"
        ) from error


def _run(folder: Path, arguments: list[str], time_s: float) -> int:
    """Run the child until it ends, or its time is over."""
    command = [sys.executable, "-P", "-m", __name__, *arguments]  # -P: no module from the current folder
    with (
        (folder / _LOG).open("wb") as log,
        subprocess.Popen(  # noqa: S603  # our own command
            command, cwd=folder, env=_make_environment(folder), stdin=subprocess.PIPE, stdout=log, stderr=log
        ) as child,
    ):
        try:
            return child.wait(time_s)
        except subprocess.TimeoutExpired:
            raise ModelError(f"it was not compiled within {time_s:g} s") from None
        finally:
            child.kill()


def _make_environment(folder: Path) -> dict[str, str]:
    """Give the child's environment: no module comes from a place that depends on the current folder."""
    paths = [str(Path(path).absolute()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    own = dict.fromkeys(("KERAS_HOME", "TEMP", "TMP", "TMPDIR"), str(folder))
    return os.environ | own | {"PYTHONPATH": os.pathsep.join(paths)}


def _explain(folder: Path, status: int, limits: Limits) -> ModelError:
    """Make the error that says why the child did not succeed."""
    refused, log = folder / _REFUSED, (folder / _LOG).read_text(errors="replace")[-_MAX_LOG:].strip()
    if refused.exists():
        error = ModelError(refused.read_text(encoding="utf-8"))
    elif -status == getattr(signal, "SIGXCPU", None):
        error = ModelError(f"compiling it took more than {limits.processor_s} s of processor time")
    elif status < 0:
        error = ModelError(f"the compiler was ended by {signal.Signals(-status).name}: it may need more memory")
    else:
        last_line = log.rpartition("\n")[2]
        error = ModelError(f"the compiler ended with status {status}: {last_line:.300}")
    if log:
        error.add_note(f"The compiler's output:\n{log}")
    return error


def main() -> int:
    """Build in the child process, in whose folder the model is."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent may have it ignored
    threading.Thread(target=_end_with_parent, args=(Path.cwd(),), daemon=True).start()
    spec, temperature, said_by = InputSpec.model_validate_json(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    content = Path(_MODEL).read_bytes()
    limits = Limits(**json.loads(sys.argv[4]))
    _limit_resources(memory_bytes=limits.compute_memory(len(content)), processor_s=limits.processor_s)
    try:
        from fashion_api.inference.compiler import build  # noqa: PLC0415  # TensorFlow, within the limits

        Path(_COMPILED).write_bytes(build(content, spec, temperature=temperature, said_by=said_by))
    except Exception as error:  # noqa: BLE001  # the border of the process: the parent says it
        traceback.print_exc()
        Path(_REFUSED).write_text(_describe(error), encoding="utf-8")
        return 1
    return 0


def _describe(error: Exception) -> str:
    if isinstance(error, ModelError):
        return str(error)
    if isinstance(error, MemoryError):
        return "compiling it takes more memory than a model of its size may"
    return " ".join(f"the compiler failed: {type(error).__name__}: {error}".split())[:500]


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


if __name__ == "__main__":
    sys.exit(main())
