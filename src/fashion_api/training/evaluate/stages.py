"""The stages of an evaluation, as they are shown while it goes on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Moment:
    """Where an evaluation is."""

    number: int
    """Of the stage that is under way, from 1; one more than `count` at the end."""
    count: int
    """How many stages there are."""
    stage: str
    """The name of the stage; empty at the end."""
    part: str
    """What the stage is at; empty where it has no parts."""
    share: float
    """The share of the whole evaluation that is done, by the time that it usually takes."""


Show: TypeAlias = Callable[[Moment], None]
"""Shows a moment; it is called whenever a stage or a part begins, and at the end."""

BeginPart: TypeAlias = Callable[[str], None]
"""Is told the name of the next part of a stage, when that begins."""


class Stages:
    """Follows an evaluation from stage to stage."""

    def __init__(self, weights: Mapping[str, float], show: Show) -> None:
        """Take the stages in their order, with the time that each usually takes, in any unit."""
        self._weights = dict(weights)
        self._show = show
        self._names = list(weights)
        self._index, self._parts, self._done = -1, 1, 0

    def begin(self, stage: str, *, parts: int = 1) -> BeginPart:
        """Begin a stage, of so many parts; stages before it that were not begun are passed over.

        Returns:
            What is to be called when a part begins.
        """
        self._index, self._parts, self._done = self._names.index(stage), parts, 0
        self._tell("")
        return self._begin_part

    def _begin_part(self, name: str) -> None:
        self._tell(name)
        self._done = min(self._done + 1, self._parts)

    def end(self) -> None:
        """Say that all is done."""
        self._index, self._done = len(self._names), 0
        self._tell("")

    def _tell(self, part: str) -> None:
        weights = list(self._weights.values())
        done = sum(weights[: self._index])
        stage = ""
        if self._index < len(self._names):
            stage = self._names[self._index]
            done += weights[self._index] * self._done / self._parts
        self._show(Moment(self._index + 1, len(weights), stage, part, done / sum(weights)))


def show_nothing(_: Moment) -> None:
    """Show nothing."""


def begin_nothing(_: str) -> None:
    """Follow nothing."""
