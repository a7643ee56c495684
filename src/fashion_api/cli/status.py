"""The exit statuses of the commands."""

from enum import IntEnum


class Status(IntEnum):
    """How a command ended."""

    SUCCESS = 0
    FAILED = 1
    """There was an error, which was reported in one line."""
    WRONG_CALL = 2
    """The command line could not be understood, or a flag has a bad value."""
    WORSE = 3
    """A model that was compared is worse than the one in its place, by more than is tolerated."""
    INTERRUPTED = 130
    """Ctrl-C ended the command; shells report the signal in the same way."""
