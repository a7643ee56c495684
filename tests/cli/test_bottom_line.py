"""The line at the bottom of the terminal."""

import logging
import os
import subprocess
import sys
from subprocess import PIPE

import pytest

from fashion_api.cli.bottom_line import describe_duration, describe_time
from tests.cli.titles import Titles


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (185, "3:05 min"), (7380, "2:03 h")]
)
def test_duration_is_written_for_people(seconds: float, text: str) -> None:
    """A duration has the units in which a person would give it."""
    assert describe_duration(seconds) == text


@pytest.mark.parametrize(("share", "text"), [(0.0, "30 s"), (0.25, "25%, 1:30 min left"), (1.0, "100%, 0 s left")])
def test_time_left_follows_from_the_share(share: float, text: str) -> None:
    """The time left is estimated from the time that the share has taken; before there is one, that time is shown."""
    assert describe_time(30, share) == text


def test_warning_is_no_step(caplog: pytest.LogCaptureFixture) -> None:
    """What is logged becomes the title, but for warnings, which are printed as lines of their own."""
    caplog.set_level("INFO", "fashion_api")
    with Titles(shows_log=True) as waiting:
        logging.getLogger("fashion_api.part").info("second")
        logging.getLogger("fashion_api.part").warning("beware")
    assert waiting.told == [("second", None)]


SCRIPT = """
import logging, sys
from fashion_api.cli.terminal import Waiting
logging.getLogger("fashion_api").setLevel("INFO")
with Waiting("first", shows_log=True, delay_s=float(sys.argv[1])) as line:
    sys.stdin.read(1)
    logging.getLogger("fashion_api.part").info("second")
    print("printed", flush=True)
    sys.stdin.read(1)
"""


def start(delay_s: float, stderr: int) -> "subprocess.Popen[bytes]":
    """Start a process that waits twice for a byte, and logs and prints in between."""
    command, environment = [sys.executable, "-c", SCRIPT, str(delay_s)], os.environ | {"TERM": "xterm"}
    return subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=stderr, env=environment, bufsize=0)  # noqa: S603  # our own


def read_until(terminal: int, word: bytes) -> None:
    """Read what a terminal gets until a word comes; the limit on the time of the tests ends the wait."""
    shown = b""
    while word not in shown:
        shown += os.read(terminal, 1 << 16)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_what_is_under_way_is_shown() -> None:
    """Where something takes long, the terminal shows its title, and what is logged in place of it."""
    import pty  # noqa: PLC0415  # Unix only

    parent, child = pty.openpty()
    with start(0, child) as process:
        os.close(child)
        assert process.stdin is not None
        assert process.stdout is not None
        read_until(parent, b"first")
        process.stdin.write(b"1")
        read_until(parent, b"second")
        process.stdin.write(b"2")
        assert process.stdout.read() == b"printed\n"
    os.close(parent)
    assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_nothing_is_shown_of_what_is_short() -> None:
    """What ends before the delay shows nothing."""
    import pty  # noqa: PLC0415  # Unix only

    parent, child = pty.openpty()
    with start(3600, child) as process:
        process.communicate(b"12")
    os.write(child, b"end")
    assert os.read(parent, 100) == b"end"
    os.close(child)
    os.close(parent)


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    """Standard error that is no terminal gets nothing, however long it takes."""
    with start(0, PIPE) as process:
        output, errors = process.communicate(b"12")
    assert (output, errors) == (b"printed\n", b"")
