"""The entry point for ASGI servers."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("FASHION_PORT", "none", "fashion-api: FASHION_PORT: "),
        ("FASHION_PROT", "1", "fashion-api: unknown setting FASHION_PROT "),
        ("FASHION_LOG_FILE", "/dev/null/log", "fashion-api: FASHION_LOG_FILE: "),
    ],
    ids=["bad value", "unknown name", "bad log file"],
)
def test_bad_setting_ends_the_start_with_one_line(name: str, value: str, message: str) -> None:
    """A server that imports the app with a bad setting ends, with one line that names it and no traceback."""
    done = subprocess.run(
        [sys.executable, "-c", "import fashion_api.server.asgi"],
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.startswith(message)) == (1, True)
