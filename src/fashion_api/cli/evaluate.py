"""`fashion-api evaluate`: score a model on the test set."""

import time
from typing import TYPE_CHECKING

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import DATA_FLAGS, with_settings
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.training.evaluate.stages import Moment


class StageLines:
    """Prints a line for each stage that is done; the line at the bottom has what is under way."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._stage: Moment | None = None
        self._started_s = time.monotonic()

    def show(self, moment: "Moment") -> None:
        """Show a moment."""
        before = self._stage
        if before is not None and before.number != moment.number:
            took_s = time.monotonic() - self._started_s
            print(f"{before.number:>2}/{before.count} {before.stage:<20} {took_s:7.1f} s", flush=True)
        if before is None or before.number != moment.number:
            self._started_s = time.monotonic()
        self._stage = moment
        part = f": {moment.part}" if moment.part else ""
        title = f"{moment.number}/{moment.count} {moment.stage}{part}" if moment.stage else "done"
        self._waiting.update(title, share=moment.share)


@with_settings(
    Settings,
    "digits_file",
    "image_height",
    "image_width",
    "channels",
    "class_names",
    model_path="The Keras `.h5` to score; its manifest is the `.json` beside it, which gets the scores",
    engine="What is scored: onnx, the model's compiled form, as it is served, or keras, the model as it is",
    data_dir=DATA_FLAGS["data_dir"],
    resize=DATA_FLAGS["resize"],
    cache_dir="The cache, which has what was downloaded and compiled; unset: the user's cache directory.",
)
def evaluate(settings: Settings) -> Status:
    """Score a model on the test set, and write its card.

    The scores go into the model's manifest, the figures beside it, and the card into the README.md there. A service
    that runs follows the manifest, and shows them.

    Examples:
        fashion-api evaluate
        fashion-api evaluate --model-path models/compact.h5
        fashion-api evaluate --model-path models/flowers.h5 --data-dir flowers
    """
    with Waiting("importing TensorFlow"):
        from fashion_api.training.evaluate.evaluation import evaluate_model  # noqa: PLC0415  # TensorFlow

    with Waiting("reading the model") as waiting:
        outcome = evaluate_model(settings, show=StageLines(waiting).show)
    print("", *map(escape_controls, outcome.summary().split("\n")), sep="\n")
    return Status.SUCCESS
