"""The help of the commands, and their names; no command's module is imported before it is used."""

import os
import re
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

_EXAMPLES = "\n\nExamples:\n"
_FIRST_COLUMN = 24
_SURPLUS = re.compile(r"\{([^}]*)\}(\.\.\.)?")
"""The braces that Typer puts around the name of an argument, and the dots that the name has itself."""


def has_colour(*, is_error: bool = False) -> bool:
    """Tell whether standard output, or standard error, is a terminal that shows colours, and nobody objects to them."""
    stream = sys.stderr if is_error else sys.stdout
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, **style: Any) -> str:  # noqa: ANN401  # of `typer.style`
    """Colour a text for standard output, where that shows colours."""
    return typer.style(text, **style) if has_colour() else text


def _head(text: str) -> str:
    return paint(text, bold=True, underline=True)


def _write_help(command: Any, ctx: typer.Context, formatter: Any) -> None:  # noqa: ANN401  # Typer hides the types
    text, _, examples = (command.help or "").partition(_EXAMPLES)
    usage = " ".join(_SURPLUS.sub(r"\1", piece) for piece in command.collect_usage_pieces(ctx))
    formatter.write_usage(ctx.command_path, usage, prefix=f"{_head('Usage')}: ")
    formatter.write_paragraph()
    formatter.write_text(text.replace("`", ""))
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for parameter in command.get_params(ctx):
        is_argument = parameter.param_type_name == "argument"
        record = _describe(parameter, ctx, is_argument=is_argument)
        if record is not None:
            panel = "Arguments" if is_argument else parameter.rich_help_panel or "Options"
            sections.setdefault(panel, []).append(record)
    if isinstance(command, TyperGroup):
        command.format_commands(ctx, formatter)
    for panel, rows in sections.items():
        if not rows:
            continue
        with formatter.section(_head(panel)):
            formatter.write_dl(rows, col_max=_FIRST_COLUMN)
    if examples:
        formatter.write_paragraph()
        formatter.write_heading(_head("Examples"))
        formatter.write("\n".join(f"  {line.strip()}" for line in examples.splitlines()) + "\n")
    if command.epilog:
        formatter.write_paragraph()
        formatter.write_text(command.epilog)


def _describe(parameter: Any, ctx: typer.Context, *, is_argument: bool) -> tuple[str, str] | None:  # noqa: ANN401  # the same
    """Give a parameter's names and description; an argument is named without its type, which says nothing more."""
    record: tuple[str, str] | None = parameter.get_help_record(ctx)
    if record is None:
        return None
    names, description = record
    return parameter.display_name_raw if is_argument else names, description.replace("`", "").replace("  [", " [")


class Command(TyperCommand):
    """A command whose help has a section for each panel of its flags, and the examples of its docstring."""

    format_help = _write_help  # type: ignore[assignment]  # Typer hides the types


class Group(TyperGroup):
    """Commands under one name, with the same kind of help."""

    format_help = _write_help  # type: ignore[assignment]  # the same


class LazyGroup(Group):
    """Commands that are imported when they run, or when their own help is asked for."""

    entries: Mapping[str, tuple[str, str]]
    """For each command, where it is, as in `package.module:function`, and its summary."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401  # Typer's
        super().__init__(**attributes)
        self.commands = dict.fromkeys(self.entries)  # type: ignore[assignment]  # their names, for "did you mean"

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002  # Typer's
        """Name the commands."""
        return list(self.entries)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002  # the same
        """Import a command; `None` where there is none of this name."""
        if cmd_name not in self.entries:
            return None
        module, _, name = self.entries[cmd_name][0].partition(":")
        return make_command(getattr(import_module(module), name), name=cmd_name)

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002  # the same
        """List the commands with their summaries."""
        with formatter.section(_head("Commands")):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.entries.items()])


def make_command(made_of: Any, *, name: str) -> Any:  # noqa: ANN401  # a function or an app of Typer's; its command
    """Make a command of a function, or of an app that has several."""
    if not isinstance(made_of, typer.Typer):
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name, cls=Command, context_settings=CONTEXT)(made_of)
        made_of = app
    command = get_command(made_of)
    command.name = name
    return command


CONTEXT = {"help_option_names": ["-h", "--help"]}
"""The settings of every command's context."""
