"""The help of every command."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup
from typer.main import get_command

from fashion_api.cli.help import has_colour
from fashion_api.cli.invocation import Invocation
from fashion_api.cli.main import Commands, app, run


def _find_calls(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:  # noqa: ANN401  # Typer's
    yield words
    if isinstance(command, TyperGroup):
        context = typer.Context(command)
        for name in command.list_commands(context):
            yield from _find_calls(command.get_command(context, name), (*words, name))


CALLS = list(_find_calls(get_command(app)))
"""The words of each command, those of groups too."""
every_command = pytest.mark.parametrize("words", CALLS, ids=lambda words: " ".join(words) or "all")


@every_command
def test_help_fits_a_terminal(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each command fits 80 columns, but for examples, which are to be copied."""
    assert run([*words, "--help"]) == 0
    text, _, _examples = capsys.readouterr().out.partition("\nExamples:\n")
    assert max(map(len, text.splitlines())) <= 80


@every_command
def test_examples_are_calls_that_are_understood(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has an example at least, and every one is a call with flags that there are."""
    run([*words, "--help"])
    _, _, section = capsys.readouterr().out.partition("\nExamples:\n")
    examples = [line for line in section.split("\n\n")[0].splitlines() if "COMMAND" not in line]
    assert examples
    command = get_command(app)
    for example in examples:
        name, *arguments = shlex.split(example.replace(" > answers.jsonl", "").replace(" < boot.png", ""))
        assert (name, tuple(arguments[: len(words)])) == ("fashion-api", words)
        _parse(command, arguments)


def _parse(command: Any, arguments: list[str]) -> None:  # noqa: ANN401  # Typer's
    """Parse a call, to its last command, without running it."""
    context = command.make_context("fashion-api", list(arguments), obj=Invocation(()))
    if isinstance(command, TyperGroup):
        first = next(word for word in arguments if not word.startswith("-"))
        _parse(command.get_command(context, first), arguments[arguments.index(first) + 1 :])


@pytest.mark.parametrize("name", Commands.entries)
def test_summary_is_the_first_line_of_the_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the list says of a command is how its own help begins."""
    run([name, "--help"])
    assert capsys.readouterr().out.splitlines()[2] == Commands.entries[name][1]


def test_help_has_no_colour_where_it_is_no_terminal() -> None:
    """Standard output that is no terminal gets no colour."""
    assert not has_colour()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
    ids=["terminal", "NO_COLOR", "NO_COLOR empty", "dumb"],
)
def test_colour_depends_on_the_terminal_and_on_no_color(variables: dict[str, str], *, expected: bool) -> None:
    """A terminal has colours, unless NO_COLOR has a value, or the terminal knows none."""
    import pty  # noqa: PLC0415  # Unix only

    parent, child = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "fashion_api", "--help"]
    with subprocess.Popen(command, stdout=child, env=environment | variables) as process:  # noqa: S603  # our own
        os.close(child)
        printed = b""
        while chunk := _read(parent):
            printed += chunk
    os.close(parent)
    assert process.returncode == 0
    assert (b"\x1b[" in printed) is expected


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # how a terminal ends
        return b""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_commands_are_completed(shell: str, tmp_path: Path) -> None:
    """Each shell gets the commands that begin with what is typed."""
    variables = {
        "_FASHION_API_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "fashion-api pre",
        "COMP_CWORD": "1",
        "_TYPER_COMPLETE_ARGS": "fashion-api pre",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    assert "predict" in _complete(variables, tmp_path)


def test_choices_of_a_flag_are_completed(tmp_path: Path) -> None:
    """The values of a flag with choices are completed."""
    variables = {
        "_FASHION_API_COMPLETE": "complete_bash",
        "COMP_WORDS": "fashion-api train --optimizer ada",
        "COMP_CWORD": "3",
    }
    assert _complete(variables, tmp_path).split() == ["adam", "adagrad", "adadelta"]


def _complete(variables: dict[str, str], folder: Path) -> str:
    command = [sys.executable, "-m", "fashion_api"]
    done = subprocess.run(  # noqa: S603  # our own
        command, check=True, capture_output=True, text=True, cwd=folder, env=os.environ | variables
    )
    return done.stdout
