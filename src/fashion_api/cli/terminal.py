"""What a person sees in the terminal of work that takes long."""

import logging
import sys
import textwrap
import threading
import time
from itertools import chain, repeat
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fashion_api.cli.escaping import escape_controls

if TYPE_CHECKING:
    from fashion_api.cli.bottom_line import BottomLine

_DELAY_S = 1.0
_WIDTH = 80
_LOGGER = logging.getLogger("fashion_api")


class Waiting:
    """A line at the bottom of the terminal while something takes longer than `delay_s`; nothing where there is none.

    It shows what is under way and, once it is known which share is done, the time left. What is printed meanwhile
    stands above it.
    """

    def __init__(self, title: str, *, shows_log: bool = False, delay_s: float = _DELAY_S) -> None:
        """Begin with this title; with `shows_log`, what the project logs becomes the title."""
        self._title, self._share = title, 0.0
        self._started_s = time.monotonic()
        self._lock = threading.RLock()  # what is printed within may be logged
        self._delay_s, self._has_ended = delay_s, False
        self._line: BottomLine | None = None
        self._handler = _LogTitle(self) if shows_log else None

    def update(self, title: str, *, share: float | None = None) -> None:
        """Say what is under way, and which share of the whole is done, from 0 to 1."""
        with self._lock:
            self._title, self._share = title, self._share if share is None else share
            if self._line is not None:
                self._line.update(self._title, self._share)

    def __enter__(self) -> Self:
        if self._handler is not None:
            _LOGGER.addHandler(self._handler)
        if sys.stderr.isatty():
            timer = threading.Timer(self._delay_s, self._show)
            timer.daemon = True
            timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._handler is not None:
            _LOGGER.removeHandler(self._handler)
        with self._lock:
            self._has_ended = True
            if self._line is not None:
                self._line.stop()

    def _show(self) -> None:
        if self._has_ended:
            return
        from fashion_api.cli.bottom_line import BottomLine  # noqa: PLC0415  # only where something takes long

        with self._lock:
            if not self._has_ended:
                self._line = BottomLine(started_s=self._started_s)
                self._line.update(self._title, self._share)


def write_beside(head: str, text: str, *, indent: int) -> list[str]:
    """Write a text in 80 columns beside a head that is `indent` wide; controls in it are written out."""
    lines = textwrap.wrap(text, _WIDTH - indent, break_on_hyphens=False, break_long_words=False)
    heads = chain([head], repeat(" " * indent))
    return [f"{start}{escape_controls(line)}" for start, line in zip(heads, lines, strict=False)]


class _LogTitle(logging.Handler):
    """Makes what is logged the title of a line."""

    def __init__(self, line: Waiting) -> None:
        super().__init__(logging.INFO)
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.INFO:  # a warning is printed above the line, and is no step
            return
        self._line.update(escape_controls(record.getMessage()))
