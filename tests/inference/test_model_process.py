"""The processes that read models: what they may import and use, and when they end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.compiler import LIMITS, compile_in_child
from fashion_api.inference.model_process import Limits
from fashion_api.inference.signature import DeclaredSignature
from tests.inference import hostile_models as hostile
from tests.inference.small_model import LABELS, save_model

pytestmark = pytest.mark.tensorflow

DECLARED = DeclaredSignature(height=4, width=5)
_DEADLINE_S = 30


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The content of a small model's `.h5`."""
    path = tmp_path_factory.mktemp("model") / "model.h5"
    save_model(path)
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in place of the system's for temporary files."""
    path = tmp_path / "temporary"
    path.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(path))
    return path


def compile_content(content: bytes, limits: Limits = LIMITS) -> bytes:
    return compile_in_child(content, DECLARED, temperature=1.0, limits=limits)


def test_surroundings_do_not_matter(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """No module of the current folder runs, what sets Keras up for other programs does not count; steps are logged."""
    for name in ("h5py", "keras", "numpy", "tensorflow", "tf2onnx", "onnx", "json", "tempfile"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'has_run')!r}, 'w')")
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax", "floatx": "float16"}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["relative", "", os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("KERAS_BACKEND", "nonsense")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    with caplog.at_level("INFO"):
        assert compile_content(content).startswith(b"\x08")
    assert not (tmp_path / "has_run").exists()
    steps = [record.message for record in caplog.records if record.name == "fashion_api.inference.model_process"]
    assert [step.split()[0] for step in steps] == ["importing", "exporting", "comparing"]


def test_sums_of_sums_are_not_taken_apart(tmp_path: Path) -> None:
    """A chain of 60 layers that each add the one before to itself is compiled, in time and memory as for any model."""
    import keras  # noqa: PLC0415  # takes seconds, and the other tests need it in the child only

    image = keras.Input((4, 5))
    found = keras.layers.Dense(len(LABELS))(keras.layers.Flatten()(image))
    for _ in range(60):
        found = keras.layers.Add()([found, found])
    keras.Model(image, keras.layers.Softmax()(found)).save(tmp_path / "sums.h5")
    assert compile_content((tmp_path / "sums.h5").read_bytes()).startswith(b"\x08")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (replace(LIMITS, time_s=0.2), "compiling it took more than 0.2 s$"),
        (replace(LIMITS, processor_s=1), "took more than 1 s of processor time"),
        (replace(LIMITS, memory_bytes=200 << 20, memory_factor=0, memory_bytes_a_core=0), "^(it|compiling)"),
    ],
    ids=["time", "processor time", "memory"],
)
def test_limit_ends_it(content: bytes, limits: Limits, message: str, folder: Path) -> None:
    """Time, processor time and memory are limited, and nothing is left behind."""
    with pytest.raises(ModelError, match=message):
        compile_content(content, limits)
    assert list(folder.iterdir()) == []


def test_reason_is_one_line_and_the_output_a_note(content: bytes) -> None:
    """The reason of Keras's is in the message; the child's traceback is in a note, which `--debug` shows."""
    with pytest.raises(
        ModelError, match=r"^it takes images of 4×5 pixels, not of 4×6: correct FASHION_IMAGE_HEIGHT and F"
    ) as refusal:
        compile_in_child(content, DeclaredSignature(height=4, width=6), temperature=1.0)
    (note,) = refusal.value.__notes__
    assert "Traceback (most recent call last)" in note
    assert "_find_form" in note


def test_hostile_file_is_refused_by_the_child() -> None:
    """The child walks over the file before Keras reads it."""
    with pytest.raises(ModelError, match="it has 'Lambda'"):
        compile_content(hostile.CODE["Lambda of Keras 3"])


def test_temporary_folder_that_is_full_is_named(content: bytes, folder: Path) -> None:
    """Where nothing can be written to the folder of temporary files, the message names it and its setting."""
    folder.rmdir()
    with pytest.raises(ModelError, match=rf"the temporary folder {folder}: No such file or directory; set TMPDIR"):
        compile_content(content)


# The parent


_PARENT = """
import sys
from pathlib import Path
from fashion_api.inference.compiler import compile_in_child
from fashion_api.inference.signature import DeclaredSignature
compile_in_child(Path(sys.argv[1]).read_bytes(), DeclaredSignature(), temperature=1.0)
"""


def wait_for(condition: object, *, of: str) -> object:
    """Ask until there is an answer; the time that it takes is no part of the test."""
    deadline = time.monotonic() + _DEADLINE_S
    while time.monotonic() < deadline:
        if answer := condition():  # type: ignore[operator]  # a function without arguments
            return answer
        time.sleep(0.01)
    raise AssertionError(f"waited in vain for {of}")


def list_children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def has_ended(process: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


@pytest.fixture
def compiling(content: bytes, tmp_path: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that compiles, and the id of its child, which has begun to read the model."""
    (tmp_path / "model.h5").write_bytes(content)
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "model.h5")]
    environment = os.environ | {"TMPDIR": str(folder)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as parent:  # noqa: S603  # our own
        try:
            children = wait_for(lambda: list_children(parent.pid), of="the child")
            assert isinstance(children, list)
            wait_for(lambda: b"tensorflow" in Path(f"/proc/{children[0]}/maps").read_bytes(), of="TensorFlow")
            yield parent, children[0]
        finally:
            parent.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda sent: sent.name)
def test_child_ends_with_its_parent(
    sent: signal.Signals, compiling: tuple[subprocess.Popen[bytes], int], folder: Path
) -> None:
    """However its parent ends, the child ends too, and its folder is removed."""
    parent, child = compiling
    parent.send_signal(sent)
    parent.wait(_DEADLINE_S)
    wait_for(lambda: has_ended(child), of="the end of the child")
    wait_for(lambda: not list(folder.iterdir()), of="an empty folder")


@pytest.mark.skipif(sys.platform != "linux", reason="it looks for processes in /proc")
def test_child_ends_on_sigterm(compiling: tuple[subprocess.Popen[bytes], int]) -> None:
    """A signal to the child ends it, and the parent says so."""
    parent, child = compiling
    os.kill(child, signal.SIGTERM)
    _, errors = parent.communicate(timeout=_DEADLINE_S)
    assert b"compiling it was ended by SIGTERM" in errors
