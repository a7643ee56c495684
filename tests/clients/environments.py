"""The environments of clients: one of locked packages for each that asks, and for what generates them."""

import hashlib
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from filelock import FileLock

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"
TYPESCRIPT = HERE / "typescript"
BESIDE_TENSORFLOW = "tensorflow-serving"
PERF_ANALYZER = "perf-analyzer"
NEEDS_LINUX = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="perf_analyzer is there for Linux on x86-64 only"
)
_STAMP = ".installed"


def install_python(name: str) -> Path:
    """Give the folder of a Python environment, which is made of `requirements/NAME.txt` where it is not there."""
    requirements = HERE / "requirements" / f"{name}.txt"
    folder = ENVIRONMENTS / name
    digest = _digest([requirements], sys.version)
    with _lock(folder):
        if not _is_installed(folder, digest):
            _run([sys.executable, "-m", "venv", "--clear", str(folder)])
            # Every package that is needed stands in the file: nothing has to be found out.
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            _run([*pip, "--requirement", str(requirements)])
            _note_installed(folder, digest)
    return folder


def find_python(name: str) -> tuple[Path, Mapping[str, str]]:
    """Give the interpreter that has a client, with the variables that it needs; the client is installed first.

    Modules that want TensorFlow are used beside the one that training has, by this interpreter.
    """
    folder = install_python(name)
    if name == BESIDE_TENSORFLOW:
        return Path(sys.executable), {"PYTHONPATH": str(_find_packages(folder)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return folder / "bin" / "python", {"LD_LIBRARY_PATH": str(_link_libraries(folder))} if name == PERF_ANALYZER else {}


def install_node() -> Path:
    """Give the folder of Node.js packages, which is made where it is not there."""
    files = [TYPESCRIPT / "package.json", TYPESCRIPT / "package-lock.json"]
    folder = ENVIRONMENTS / "node"
    digest = _digest(files)
    if not _is_installed(folder, digest):
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copy(file, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(folder)])
        _note_installed(folder, digest)
    return folder / "node_modules"


def _link_libraries(folder: Path) -> Path:
    """Give a folder with the libraries that `perf_analyzer` wants, by the names that it knows, out of another package.

    That package's own programs know them by names with a digest in them, as tools for Linux wheels write.
    """
    libraries = folder / "libraries"
    with _lock(folder):
        libraries.mkdir(exist_ok=True)
        for pattern, name in (("libb64-*.so.0d", "libb64.so.0d"), ("libcudart-*.so.12*", "libcudart.so.12")):
            (found,) = (_find_packages(folder) / "nvidia_pytriton.libs").glob(pattern)
            if not (libraries / name).exists():
                (libraries / name).symlink_to(found)
    return libraries


def _find_packages(folder: Path) -> Path:
    (packages,) = folder.glob("lib/python*/site-packages")
    return packages


def _lock(folder: Path) -> FileLock:
    """Tests that want the same environment may run in several processes."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    return FileLock(folder.with_suffix(".lock"))


def _digest(files: Sequence[Path], *more: str) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + "".join(more).encode()).hexdigest()


def _is_installed(folder: Path, digest: str) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text() == digest


def _note_installed(folder: Path, digest: str) -> None:
    (folder / _STAMP).write_text(digest)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
