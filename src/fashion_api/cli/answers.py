"""How `fashion-api predict` writes what the model sees in a file: as JSON, as lines, or as a table in a terminal."""

import json
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.help import has_colour
from fashion_api.images import Images
from fashion_api.pictures.terminal import draw_colour, draw_compact
from fashion_api.wire.models import Prediction


@dataclass(frozen=True)
class Answer:
    """What the model sees in a file."""

    file: str
    image: Images
    """uint8[height, width], or uint8[height, width, 3], as the model was given it."""
    prediction: Prediction


@dataclass
class Writer:
    """Writes a line for each file, at once; the base of the others."""

    top: int = 1
    """How many classes are named."""
    coverage: str | None = None
    """Of the prediction set; `None` where it is not wanted."""
    is_shown: bool = False
    """Whether the picture is drawn."""

    def write(self, answer: Answer) -> None:
        """Write an answer."""
        prediction = answer.prediction
        if self.is_shown:
            print(draw(answer.image))
        parts = [f"{answer.file}: {', '.join(self.name_classes(prediction))}"]
        if self.coverage is not None:
            parts.append(f"set at {float(self.coverage):.0%}: {name_set(prediction)}")
        if prediction.reason is not None:
            parts.append(f"not accepted: {explain(prediction)}")
        print(escape_controls("; ".join(parts)), flush=True)

    def name_classes(self, prediction: Prediction) -> list[str]:
        """Name the most probable classes, with their probabilities."""
        ranked = sorted(prediction.probabilities.items(), key=lambda item: -item[1])
        return [f"{label} ({probability:.1%})" for label, probability in ranked[: self.top]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Write what was kept back."""


class JsonWriter(Writer):
    """Writes a JSON object for each file."""

    def write(self, answer: Answer) -> None:
        """Write an answer."""
        line = f'{{"file": {json.dumps(answer.file)}, "prediction": {answer.prediction.model_dump_json()}}}'
        print(line, flush=True)


@dataclass
class TableWriter(Writer):
    """Writes a table at the end, also where Ctrl-C ends the work."""

    def __post_init__(self) -> None:
        """Make the empty table; of a name, it shows as much as leaves room for the answer."""
        self._console = Console(highlight=False)
        self._most = self._console.width // (2 if self.is_shown else 3)
        self._table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=self.is_shown)
        if self.is_shown:
            self._table.add_column("Picture", no_wrap=True)
            self._table.add_column("Answer", overflow="fold")
            return
        self._table.add_column("File", no_wrap=True)
        self._table.add_column("Shows", no_wrap=True)
        if self.coverage is not None:
            self._table.add_column(self._head_set())
        self._table.add_column("Accepted")

    def write(self, answer: Answer) -> None:
        """Keep an answer for the table; beside a picture, which leaves little room, all of it is one cell."""
        prediction = answer.prediction
        file = Text(elide(escape_controls(answer.file), self._most))
        classes = Text("\n".join(map(escape_controls, self.name_classes(prediction))))
        found = [] if self.coverage is None else [Text(escape_controls(name_set(prediction)))]
        accepted = _say_accepted(prediction)
        if not self.is_shown:
            self._table.add_row(file, classes, *found, accepted)
            return
        lines = [
            file,
            classes,
            *(Text(f"{self._head_set()}: ") + cell for cell in found),
            Text("Accepted: ") + accepted,
        ]
        self._table.add_row(Text.from_ansi(draw(answer.image)), Text("\n\n").join(lines))

    def _head_set(self) -> str:
        return f"Set at {float(self.coverage or 0):.0%}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Print the table."""
        if self._table.row_count:
            self._console.print(self._table)


def choose_writer(*, is_json: bool, top: int, coverage: str | None, is_shown: bool) -> Writer:
    """Give the writer for whoever reads standard output: a table for people, else lines."""
    if is_json:
        return JsonWriter()
    return (TableWriter if sys.stdout.isatty() else Writer)(top=top, coverage=coverage, is_shown=is_shown)


def draw(image: Images) -> str:
    """Draw a picture, one character wide for each of its columns."""
    return draw_colour(image) if has_colour() else draw_compact(image)


def elide(name: str, most: int) -> str:
    """Shorten a name to so many characters; its end, which tells files apart, keeps two thirds of them."""
    end = most * 2 // 3
    return name if len(name) <= most else f"{name[: most - end - 1]}…{name[-end:]}"


def explain(prediction: Prediction) -> str:
    """Say why a prediction is not accepted, with its novelty."""
    reason = prediction.reason or ""
    if prediction.novelty is None:
        return reason
    return reason.replace("its novelty is over 1", f"its novelty is {prediction.novelty:.2f}, over 1")


def name_set(prediction: Prediction) -> str:
    """Name the classes of the prediction set."""
    return "not known" if prediction.prediction_set is None else ", ".join(prediction.prediction_set)


def _say_accepted(prediction: Prediction) -> Text:
    if prediction.accepted is None:
        return Text("not known", style="dim")
    if prediction.accepted:
        return Text("yes", style="green")
    return Text(f"no: {explain(prediction)}", style="yellow")
