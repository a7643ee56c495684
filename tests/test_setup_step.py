"""`scripts/step`, by which the set-up tells what it does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

STEP = Path(__file__).parents[1] / "scripts" / "step"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it is a shell script")


def run_step(folder: Path, *command: str, instead: str = "") -> "subprocess.CompletedProcess[str]":
    call = [str(STEP), *(["--else", instead] if instead else []), "Making ready", *command]
    return subprocess.run(call, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  # our own


def test_step_is_one_line_and_its_output_is_logged(tmp_path: Path) -> None:
    """A step that succeeds shows its title and its time; all that it wrote is in the log."""
    done = run_step(tmp_path, "sh", "-c", "seq 100; echo careful >&2")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.split() == ["Making", "ready", "...", "0", "s"]
    log = (tmp_path / ".venv" / "setup.log").read_text()
    assert log.startswith("== Making ready: sh -c")
    assert log.endswith("99\n100\ncareful\n")


def test_step_that_fails_shows_the_end_of_its_output(tmp_path: Path) -> None:
    """A step that fails ends with its command's status, and shows the last lines and where the rest is."""
    done = run_step(tmp_path, "sh", "-c", "seq 100; exit 3")
    assert done.returncode == 3
    lines = done.stderr.splitlines()
    assert "failed after" in lines[0]
    assert lines[1:] == [*map(str, range(86, 101)), "All of it is in .venv/setup.log."]


def test_step_that_fails_says_what_is_done_instead(tmp_path: Path) -> None:
    """Where there is another way, a failure is one line that names it; the reason is in the log."""
    done = run_step(tmp_path, "sh", "-c", "echo the reason; exit 3", instead="trying another")
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert re.search(r"failed after \d+ s; trying another$", line)
    assert "the reason" in (tmp_path / ".venv" / "setup.log").read_text()


def test_steps_share_the_log(tmp_path: Path) -> None:
    """A step adds to the log of those before it."""
    run_step(tmp_path, "echo", "first")
    run_step(tmp_path, "echo", "second")
    assert "first" in (tmp_path / ".venv" / "setup.log").read_text()
