"""The line at the bottom of the terminal."""

import os
import subprocess
import sys

import pytest

from fashion_api.cli.bottom_line import describe_duration, describe_time


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


SCRIPT = """
import logging, sys, time
from fashion_api.cli.terminal import Waiting
logging.getLogger("fashion_api").setLevel("INFO")
with Waiting("first", shows_log=True) as line:
    time.sleep(0.2 if sys.argv[1:] else 1.5)
    logging.getLogger("fashion_api.part").info("second")
    print("printed")
    time.sleep(0 if sys.argv[1:] else 0.5)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize("arguments", [[], ["short"]], ids=["long", "short"])
def test_line_is_shown_for_more_than_a_second(arguments: list[str]) -> None:
    """What takes more than a second shows its title, and what is logged in its place; what is shorter shows nothing."""
    import pty  # noqa: PLC0415  # Unix only

    parent, child = pty.openpty()
    command = [sys.executable, "-c", SCRIPT, *arguments]
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=child, env=environment) as process:  # noqa: S603  # our own
        os.close(child)
        shown = b""
        try:
            while chunk := os.read(parent, 1 << 16):
                shown += chunk
        except OSError:  # how a terminal ends
            pass
        assert process.stdout is not None
        assert process.stdout.read() == b"printed\n"
    os.close(parent)
    assert [word in shown for word in (b"first", b"second")] == [not arguments] * 2


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    """Standard error that is no terminal gets nothing, however long it takes."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], check=True, capture_output=True)  # noqa: S603  # our own
    assert (done.stdout, done.stderr) == (b"printed\n", b"")
