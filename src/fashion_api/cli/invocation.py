"""What a command may know of the call that runs it."""

from dataclasses import dataclass


@dataclass
class Invocation:
    """One call of the command line; Typer passes it to the commands as `context.obj`."""

    arguments: tuple[str, ...]
    """As they were given, without the program's name."""
    is_debug: bool = False
    """Whether an error is shown with its traceback."""
