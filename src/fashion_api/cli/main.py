"""The command line as a whole: its commands, and how a command ends.

Each command is a function in a module of its own, which is imported when the command runs; what takes seconds to import
is imported by the function.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.main import get_command

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.help import CONTEXT, LazyGroup
from fashion_api.cli.invocation import Invocation
from fashion_api.cli.status import Status
from fashion_api.errors import FashionError, FlagError


class Commands(LazyGroup):
    """The commands; each summary is the first line of its command's help."""

    entries = {  # noqa: RUF012  # not changed
        "serve": ("fashion_api.cli.serve:serve", "Run the HTTP service."),
        "predict": ("fashion_api.cli.predict:predict", "Say what picture files show."),
        "data": ("fashion_api.cli.data:app", "Download, verify or show the data set."),
        "train": ("fashion_api.cli.train:train", "Train a model by a recipe."),
        "evaluate": ("fashion_api.cli.evaluate:evaluate", "Score a model on the test set, and write its card."),
        "compare": ("fashion_api.cli.compare:compare", "Compare a model with the one that it is to replace."),
        "compile": ("fashion_api.cli.compile:compile_model", "Build the form of a model that is served."),
        "inspect": ("fashion_api.cli.inspect:inspect", "Say what a model's file holds, and how it would be served."),
        "keys": ("fashion_api.cli.keys:app", "Make API keys."),
        "doctor": ("fashion_api.cli.doctor:doctor", "Say what was found here, and what keeps it from serving."),
    }


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    epilog="Settings can also be given as FASHION_ variables and in .env; .env.example lists them.",
    context_settings=CONTEXT,
)


def _print_version(is_asked: bool) -> None:  # noqa: FBT001  # Typer's callbacks take the value alone
    if is_asked:
        from importlib.metadata import version  # noqa: PLC0415  # only where it runs

        print(f"fashion-api {version('fashion-api')}")
        raise typer.Exit


@app.callback()
def _start(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show an error with its traceback.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Classify pictures with a Keras model: data, training, evaluation and the HTTP service.

    Examples:
        fashion-api serve
        fashion-api predict boot.png
        fashion-api COMMAND --help
    """
    invocation: Invocation = context.obj
    invocation.is_debug = debug


def main() -> None:
    """Run the command that the process was called with, and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str], *, app: typer.Typer = app) -> Status:
    """Run a command of `app`, and give its exit status; errors are reported in one line, unless `--debug` is given."""
    invocation = Invocation(tuple(arguments))
    command = get_command(app)
    try:
        status: int | None = command(arguments, prog_name="fashion-api", standalone_mode=False, obj=invocation)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Status.FAILED
    except KeyboardInterrupt:
        status = Status.INTERRUPTED.value
    except typer.TyperException as error:
        return _report_wrong_call(error)
    except Exception as error:
        if invocation.is_debug:
            raise
        _report(_describe(error))
        if isinstance(error.__cause__, KeyboardInterrupt):
            return Status.INTERRUPTED
        return Status.WRONG_CALL if isinstance(error, FlagError) else Status.FAILED
    if status == Status.INTERRUPTED and not isinstance(status, Status):  # a command that gives it has said so itself
        _report("interrupted")
    return Status(status or Status.SUCCESS)


def _report(message: str) -> None:
    print("fashion-api:", escape_controls(" ".join(message.splitlines())), file=sys.stderr)


def _report_wrong_call(error: typer.TyperException) -> Status:
    context: typer.Context | None = getattr(error, "ctx", None)
    if context is not None and error.message == context.get_help():  # a command is missing, and nothing else is wrong
        print(error.message)
        return Status.WRONG_CALL
    message = " ".join(error.format_message().split()).rstrip(".").replace("Value error, ", "")
    command = "fashion-api" if context is None else context.command_path
    _report(f"{message} (see `{command} --help`)")
    return Status.WRONG_CALL


def _describe(error: Exception) -> str:
    """Say in one line what went wrong."""
    if isinstance(error, FashionError):
        return str(error)
    if isinstance(error, ModuleNotFoundError):
        from fashion_api.inference.keras_engine import INSTALL_TENSORFLOW  # noqa: PLC0415  # only where it is needed

        return f"{error.name}, which this command needs, is not installed: {INSTALL_TENSORFLOW}"
    if isinstance(error, OSError) and error.strerror:
        return ": ".join([*([str(error.filename)] if error.filename else []), error.strerror])
    message = " ".join(f"{type(error).__name__}: {error}".split())
    return f"unexpected {message} (`fashion-api --debug …` shows where)"
