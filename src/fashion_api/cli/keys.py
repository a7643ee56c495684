"""`fashion-api keys`: make API keys."""

import re
import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from fashion_api.cli.help import CONTEXT, Command, Group
from fashion_api.cli.status import Status
from fashion_api.errors import FlagError
from fashion_api.service.keys import NAME, make_key

app = typer.Typer(
    cls=Group, add_completion=False, no_args_is_help=True, rich_markup_mode=None, context_settings=CONTEXT
)


@app.callback()
def keys() -> None:
    """Make API keys.

    FASHION_API_KEYS_FILE names a file with a line for each key: its name, its SHA-256, and the day from which on it is
    not accepted. SIGHUP has a running service read it anew.

    Examples:
        fashion-api keys new laptop
    """


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise typer.BadParameter("a name has 1 to 64 letters, digits, - and _")
    return name


@app.command(cls=Command, context_settings=CONTEXT)
def new(
    name: Annotated[str, typer.Argument(callback=_check_name, help="What the log calls the key.")],
    *,
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"], metavar="DATE", help="The day (UTC) from which on it is not accepted, as 2030-01-31."
        ),
    ] = None,
) -> Status:
    """Make a key, and its line for the file of keys.

    The key goes to standard error and is kept nowhere; the line, which does not have it, goes to standard output:
    append that to the file with `>> keys.toml`.

    Examples:
        fashion-api keys new laptop
        fashion-api keys new visitor --expires 2030-01-31
    """
    day: date | None = None if expires is None else expires.date()
    if day is not None and day <= datetime.now(UTC).date():
        raise FlagError(f"--expires: on {day} the key would have expired; name a later day")
    key, line = make_key(name, day)
    print(f"The key, which is shown only now: {key}", file=sys.stderr)
    print(line)
    return Status.SUCCESS
