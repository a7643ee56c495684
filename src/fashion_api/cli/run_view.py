"""What `fashion-api train` shows of a run: a summary, a line for each epoch, and a bar for the whole."""

import shlex
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

from fashion_api.cli.bottom_line import describe_duration
from fashion_api.cli.help import paint
from fashion_api.cli.terminal import Waiting, write_beside
from fashion_api.training.fit.observer import Observer, Plan
from fashion_api.training.fit.training import TrainingOutcome
from fashion_api.training.history import Epoch
from fashion_api.training.recipes import describe_network, describe_training

_WIDTH, _NAMES_WIDTH = 80, 13
_HEAD = "  epoch       loss  accuracy  validation loss  accuracy        time"


class RunView(Observer):
    """Shows a run; the line at the bottom is drawn by `waiting`."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._plan: Plan
        self._number = 0
        self._began_s = self._fitted_s = 0.0

    def begin(self, plan: Plan) -> None:
        """Print what will be done, and the epochs that were done before."""
        self._plan = plan
        print("\n".join(describe_plan(plan)), end="\n\n", flush=True)
        print(paint(_HEAD, bold=True))
        for number, epoch in enumerate(plan.history, start=1):
            self._print(number, epoch, "before")

    def begin_epoch(self, number: int) -> None:
        """Remember when an epoch has begun."""
        self._number, self._began_s, self._fitted_s = number, time.monotonic(), 0.0

    def prepare(self, what: str) -> None:
        """Show what is done before the training of an epoch."""
        title = f"epoch {self._number}/{self._plan.recipe.epochs}: {what}"
        self._waiting.update(title, share=self._compute_share(0.0))

    def advance(self, share: float, *, loss: float, accuracy: float) -> None:
        """Show the figures of an epoch so far.

        How long all of it will take follows from the time that the images took, and from the training so far.
        """
        now_s = time.monotonic()
        self._fitted_s = self._fitted_s or now_s
        images_s = self._fitted_s - self._began_s
        whole_s = images_s + (now_s - self._fitted_s) / share
        within = (now_s - self._began_s) / whole_s if whole_s else 0.0
        title = f"epoch {self._number}/{self._plan.recipe.epochs}: loss {loss:.3f}, accuracy {accuracy:.1%}"
        self._waiting.update(title, share=self._compute_share(within))

    def end_epoch(self, number: int, epoch: Epoch, *, is_best: bool) -> None:
        """Print the figures of an epoch."""
        self._print(number, epoch, paint("best", fg="green") if is_best else "")

    def end(self) -> None:
        """Show what is done when all epochs are."""
        self._waiting.update("calibrating and writing the model", share=1.0)

    def _print(self, number: int, epoch: Epoch, mark: str) -> None:
        epochs = self._plan.recipe.epochs
        count = f"{number:>{len(str(epochs))}}/{epochs}"
        print(
            f"{count:>7}  {epoch.loss:9.4f}  {epoch.accuracy:8.2%}  {epoch.validation_loss:15.4f}  "
            f"{epoch.validation_accuracy:8.2%}  {epoch.duration_s:8.1f} s  {mark}".rstrip(),
            flush=True,
        )

    def _compute_share(self, within: float) -> float:
        """Compute the share of this run that is done; epochs before it was resumed do not count."""
        earlier = len(self._plan.history)
        return (self._number - 1 - earlier + within) / max(self._plan.recipe.epochs - earlier, 1)


def describe_plan(plan: Plan) -> list[str]:
    """Say what a run is going to do, and what its model will cost, in lines for the terminal."""
    recipe = plan.recipe
    images = f"{plan.training_images:,} images, and {plan.validation_images:,} for validation, from {plan.data_dir}"
    rows = {
        "recipe": f"{recipe.name}: {recipe.description}",
        "data": images,
        "network": describe_network(recipe),
        "cost": f"{plan.parameters:,} weights, {plan.multiply_adds / 1e6:.1f} million multiply-adds an image",
        "training": describe_training(recipe) + f", seed {plan.seed}, {plan.precision}",
        "teachers": ", ".join(map(str, recipe.teachers)),
        "written to": str(plan.model_path),
    }
    if plan.history:
        rows["resumed"] = f"after epoch {len(plan.history)}"
    return write_rows(rows)


def write_rows(rows: Mapping[str, str]) -> list[str]:
    """Write names and values beside each other in 80 columns; an empty value is left out."""
    return [
        line
        for name, value in rows.items()
        for line in write_beside(paint(f"{name:<{_NAMES_WIDTH}}", bold=True), value, indent=_NAMES_WIDTH)
    ]


def describe_outcome(outcome: TrainingOutcome, *, data_dir: Path | None) -> list[str]:
    """Describe the result of a run in lines for the terminal; warnings are last, where they are noticed.

    Args:
        outcome: of the run.
        data_dir: the data set, where settings name one; serving and scoring the model need it, too.
    """
    record = outcome.record
    flags = shlex.join(
        ["--model-path", str(outcome.model_path), *([] if data_dir is None else ["--data-dir", str(data_dir)])]
    )
    ended = "interrupted after" if outcome.is_interrupted else "done:"
    rows = {
        "run": f"{ended} {record.epochs_run} of {record.epochs} epochs, in {describe_duration(record.duration_s)}",
        "kept": f"epoch {record.best_epoch}, the best on the validation images",
        "validation": f"accuracy {record.validation_accuracy:.2%} of {record.validation_images:,} images",
        "training": f"accuracy {record.training_accuracy:.2%} of {record.training_images:,} images, as they were shown",
        "model": f"{outcome.model_path}, {record.parameters:,} weights",
        "curves": str(outcome.curves_path),
        "log": str(outcome.log_path),
        "serve it": f"fashion-api serve {flags}",
        "score it": f"fashion-api evaluate {flags}",
    }
    warnings = (paint(textwrap.fill(f"WARNING: {warning}", _WIDTH), fg="yellow") for warning in outcome.warnings)
    return [*write_rows(rows), *warnings]
