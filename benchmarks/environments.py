"""The virtual environments of what is compared: one for each, from its own pinned requirements."""

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
ENVIRONMENTS = ROOT / "benchmarks" / ".envs"
SERVICE = "service"
_STAMP = ".installed"


def python_of(name: str) -> Path:
    """The interpreter of an environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def requirements_of(name: str) -> list[Path]:
    """The pins of an environment; the service's begin with those that it is installed with anywhere."""
    own = ROOT / "benchmarks" / "requirements" / f"{name}.txt"
    return [ROOT / "requirements" / "grpc.txt", own] if name == SERVICE else [own]


def install(name: str) -> None:
    """Make an environment, unless it is there with these very requirements.

    Raises:
        subprocess.CalledProcessError: it cannot be installed; pip's own output says why.
    """
    files = requirements_of(name)
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files) + sys.version.encode()).hexdigest()
    stamp = ENVIRONMENTS / name / _STAMP
    if stamp.is_file() and stamp.read_text() == digest:
        return
    sys.stderr.write(f"installing the environment {name!r}\n")
    _run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENTS / name)])
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet"]
    for file in files:  # one at a time: the pins of one have hashes, and pip would ask for the others' too
        _run([*pip, "--requirement", str(file)])
    if name == SERVICE:
        _run([*pip, "--no-deps", "--editable", str(ROOT)])
    stamp.write_text(digest)


def read_version(name: str, package: str) -> str:
    """Tell the version of a package in an environment."""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return _run([str(python_of(name)), "-c", code]).strip()


def _run(command: list[str]) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603  # our own
