"""The environments that clients are generated in: one for Python and one for Node.js, each of locked packages."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".environments"
TYPESCRIPT = HERE / "typescript"
_STAMP = ".installed"


def install_python() -> Path:
    """Give the folder of commands of the Python environment, which is made where it is not there."""
    requirements = HERE / "requirements.txt"
    folder, commands = ENVIRONMENTS / "python", ENVIRONMENTS / "python" / "bin"
    digest = _digest([requirements], sys.version)
    if not _is_installed(folder, digest):
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
        _run([*pip, "--requirement", str(requirements)])
        _note_installed(folder, digest)
    return commands


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


def _digest(files: Sequence[Path], *more: str) -> str:
    return hashlib.sha256(b"".join(file.read_bytes() for file in files) + "".join(more).encode()).hexdigest()


def _is_installed(folder: Path, digest: str) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text() == digest


def _note_installed(folder: Path, digest: str) -> None:
    (folder / _STAMP).write_text(digest)


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
