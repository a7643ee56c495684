"""What a training run shows of itself while it goes on; who looks at it, and how, is not its business."""

from dataclasses import dataclass
from pathlib import Path

from fashion_api.training.history import Epoch
from fashion_api.training.recipes import Recipe


@dataclass(frozen=True)
class Plan:
    """What a run is going to do."""

    recipe: Recipe
    data_dir: Path
    training_images: int
    validation_images: int
    parameters: int
    """Of the network: its weights."""
    multiply_adds: int
    """For one image."""
    precision: str
    seed: int
    model_path: Path
    """Where the model will be written."""
    history: tuple[Epoch, ...]
    """The epochs that were done before the run was resumed."""


class Observer:
    """Looks at a run; this one does nothing about what it sees."""

    def begin(self, plan: Plan) -> None:
        """The run begins."""

    def begin_epoch(self, number: int) -> None:
        """An epoch begins; the first has the number 1."""

    def prepare(self, what: str) -> None:
        """This is done next, before the network is trained on the epoch's images."""

    def advance(self, share: float, *, loss: float, accuracy: float) -> None:
        """The network has been trained on this share of the epoch's images; the figures are means so far."""

    def end_epoch(self, number: int, epoch: Epoch, *, is_best: bool) -> None:
        """An epoch is complete, and is the best so far or not."""

    def end(self) -> None:
        """No further epoch comes; the model of the best one is being written."""
