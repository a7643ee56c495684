"""How commands end: exit statuses, and what is reported on standard error."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from fashion_api.cli.main import Commands, run
from fashion_api.errors import DataError, DataNotFoundError


def make_failing_app(error: BaseException) -> typer.Typer:
    """Build a command line with one command, which raises `error`."""
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("the labels are missing"), "the labels are missing"),
        (FileNotFoundError(2, "No such file or directory", "shoe.png"), "shoe.png: No such file or directory"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (DataError("two\nlines"), "two lines"),
        (FileNotFoundError(2, "No such file or directory", "two\nlines"), "two lines: No such file or directory"),
        (DataError("\x1b]0;title\x07"), r"\x1b]0;title\x07"),
        (
            ModuleNotFoundError("No module named 'h5py'", name="h5py"),
            "h5py, which this command needs, is not installed: pip install tensorflow tf2onnx matplotlib",
        ),
        (ValueError("two\nlines"), "unexpected ValueError: two lines (`fashion-api --debug …` shows where)"),
    ],
    ids=["ours", "file", "system", "ours of two lines", "file of two lines", "controls", "package", "unexpected"],
)
def test_error_is_one_line_and_status_1(error: Exception, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Any error is one line on standard error, and the exit status is 1."""
    assert run([], app=make_failing_app(error)) == 1
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"fashion-api: {line}\n")


def test_interrupt_is_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    """After Ctrl-C the exit status is that which shells report for it."""
    assert run([], app=make_failing_app(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "fashion-api: interrupted\n"


def test_error_after_an_interrupt_is_status_130(capsys: pytest.CaptureFixture[str]) -> None:
    """An error that Ctrl-C has caused is reported as it is, with the status of Ctrl-C."""
    error = DataError("nothing was kept")
    error.__cause__ = KeyboardInterrupt()
    assert run([], app=make_failing_app(error)) == 130
    assert capsys.readouterr().err == "fashion-api: nothing was kept\n"


def test_debug_shows_the_traceback(own_data: Path) -> None:
    """With --debug, the error comes with its traceback."""
    (own_data / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataNotFoundError):
        run(["--debug", "data", "show", "0"])


def test_output_that_nobody_reads_is_no_traceback() -> None:
    """Where the reader of the output has gone, the command ends with status 1, and quietly."""
    command = [sys.executable, "-m", "fashion_api", "train", "--list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:  # noqa: S603  # our own
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert (process.stderr.read(), process.wait()) == (b"", 1)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        ("srve", "No such command 'srve'. Did you mean 'serve'? (see `fashion-api --help`)"),
        ("data shw", "No such command 'shw'. Did you mean 'show'? (see `fashion-api data --help`)"),
        ("data nonsense", "No such command 'nonsense' (see `fashion-api data --help`)"),
        ("serve --nonsense 1", "No such option: --nonsense (see `fashion-api serve --help`)"),
        ("predict", "Missing argument 'FILE...' (see `fashion-api predict --help`)"),
        (
            "data show 0 --split both",
            "Invalid value for '--split': 'both' is not one of 'test', 'train' (see `fashion-api data show --help`)",
        ),
        ("data show", "Missing argument 'INDEX' (see `fashion-api data show --help`)"),
    ],
)
def test_wrong_call_is_one_line_and_status_2(call: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A call that cannot be understood is reported in one line, with the help that explains it."""
    assert run(call.split()) == 2
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", f"fashion-api: {line}\n")


@pytest.mark.parametrize("call", ["", "data"])
def test_call_without_a_command_is_answered_with_the_help(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the command is missing, the help lists the commands, and the status is 2."""
    assert run(call.split()) == 2
    output = capsys.readouterr()
    assert "Commands" in output.out
    assert output.err == ""


@pytest.mark.parametrize("call", ["--help", "-h", "--version", "train --help", "data show --help"])
def test_help_and_version_are_success(call: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are printed, with status 0."""
    assert run(call.split()) == 0
    assert "fashion-api" in capsys.readouterr().out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of the whole lists each command."""
    run(["--help"])
    printed = capsys.readouterr().out
    assert all(f" {name} " in printed for name in Commands.entries)


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"], ids=["input", "output", "error", "all"])
def test_closed_standard_streams_are_opened(closed: str, tmp_path: Path) -> None:
    """Where standard streams are closed, no other file gets their numbers, here and in processes started from here."""
    script = (
        "import os, subprocess, sys\n"
        "from fashion_api.__main__ import open_standard_streams\n"
        "open_standard_streams()\n"
        "print(end='', flush=True), sys.stdout.isatty(), sys.stderr.isatty(), sys.stdin.read()\n"
        "child = 'import sys; sys.exit(None in (sys.stdin, sys.stdout, sys.stderr))'\n"
        f"with open({str(tmp_path / 'result')!r}, 'w') as file:\n"
        "    file.write(f'{file.fileno() > 2} {subprocess.run([sys.executable, \"-c\", child]).returncode}')\n"
    )
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", script]
    subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603  # our own command
    assert (tmp_path / "result").read_text() == "True 0"


@pytest.mark.skipif(os.name == "nt", reason="needs a shell of Unix")
def test_command_succeeds_without_standard_streams() -> None:
    """A command whose standard streams are closed ends as it does with them."""
    command = ["sh", "-c", 'exec "$@" 0<&- 1>&- 2>&-', "sh", sys.executable, "-m", "fashion_api", "--version"]
    assert subprocess.run(command, check=False).returncode == 0  # noqa: S603  # our own command


def test_help_imports_nothing_that_takes_long() -> None:
    """The help of the whole imports no other part of the project, and none of the packages that take long."""
    script = (
        "import sys, fashion_api.cli.main\n"
        "fashion_api.cli.main.run(['--help'])\n"
        "ours = {'.'.join(name.split('.')[:2]) for name in sys.modules if name.startswith('fashion_api.')}\n"
        "heavy = {'numpy', 'pydantic', 'fastapi', 'uvicorn', 'onnxruntime', 'PIL', 'keras', 'tensorflow', 'rich'}\n"
        "print(*sorted(ours), *sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert done.stdout.splitlines()[-1].split() == ["fashion_api.cli", "fashion_api.errors"]


def test_module_runs_the_command_line() -> None:
    """`python -m fashion_api` is `fashion-api`."""
    command = [sys.executable, "-m", "fashion_api", "--version"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert done.stdout.startswith("fashion-api ")
