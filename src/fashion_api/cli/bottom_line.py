"""The line at the bottom of the terminal, drawn by Rich, which takes a tenth of a second to import."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.text import Text

_LEAST_SHARE = 0.005
"""Of the work; from there on, the time left is estimated."""


class BottomLine:
    """What is under way, a bar, and the time: what is left of it where a share is done, else what has gone."""

    def __init__(self, *, started_s: float) -> None:
        """Draw it; `started_s` is when the work began, by `time.monotonic()`."""
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            _TimeColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._task = self._progress.add_task("", total=None, started_s=started_s)
        self._progress.start()

    def update(self, title: str, share: float) -> None:
        """Show what is under way, and the share of the whole that is done."""
        self._progress.update(self._task, description=title, total=1.0 if share else None, completed=share)

    def stop(self) -> None:
        """Remove it."""
        self._progress.stop()


class _TimeColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(describe_time(time.monotonic() - task.fields["started_s"], task.completed), style="dim")


def describe_time(elapsed_s: float, share: float) -> str:
    """Say how long work will still take or, where too small a share is done to tell, how long it has taken."""
    if share < _LEAST_SHARE:
        return describe_duration(elapsed_s)
    return f"{share:.0%}, {describe_duration(elapsed_s * (1 - share) / share)} left"


def describe_duration(seconds: float) -> str:
    """Write a duration as a person would: `12 s`, `3:05 min` or `2:03 h`."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004  # of clocks
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004  # the same
        return f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h"
