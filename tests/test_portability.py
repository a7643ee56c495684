"""The package where modules of Unix, and packages that are not installed on Windows, are missing."""

import subprocess
import sys

import pytest

_IMPORT_ALL = """
import importlib, pkgutil, sys

for name in ("fcntl", "resource", "pwd", "grp", "termios", "httptools", "uvloop"):
    sys.modules[name] = None  # importing it fails

import fashion_api

for module in pkgutil.walk_packages(fashion_api.__path__, "fashion_api."):
    if not module.name.startswith({without!r}) and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
        print(module.name)
"""


def import_all(*, without: tuple[str, ...]) -> list[str]:
    command = [sys.executable, "-c", _IMPORT_ALL.format(without=without)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603  # our own
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_service_is_imported_without_modules_of_unix() -> None:
    """All that serves can be imported where nothing but the portable packages is there."""
    names = import_all(without=("fashion_api.training", "fashion_api.cli.run_view", "fashion_api.inference.h5_walk"))
    assert {"fashion_api.server.asgi", "fashion_api.inference.compiled_cache", "fashion_api.cli.main"} <= set(names)


@pytest.mark.tensorflow
def test_training_is_imported_without_modules_of_unix() -> None:
    """All of the package can be imported, training too."""
    assert "fashion_api.training.fit.training" in import_all(without=("nothing",))
