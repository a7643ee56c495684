"""What is shown of a training run."""

from dataclasses import replace
from pathlib import Path

import pytest

from fashion_api.cli.run_view import RunView
from fashion_api.training.fit.observer import Plan
from fashion_api.training.history import Epoch
from fashion_api.training.recipes import RECIPES
from tests.cli.titles import Titles

pytestmark = pytest.mark.tensorflow  # the view is of its outcome, too

EPOCH = Epoch(loss=0.5, accuracy=0.75, validation_loss=0.25, validation_accuracy=0.875, duration_s=61.25)


def make_plan(*, epochs: int, done: int) -> Plan:
    return Plan(
        recipe=replace(RECIPES["compact"], epochs=epochs),
        data_dir=Path("data"),
        training_images=55_000,
        validation_images=5_000,
        parameters=467_587,
        multiply_adds=5_500_000,
        precision="float32",
        seed=0,
        model_path=Path("models/compact_2.h5"),
        history=(EPOCH,) * done,
    )


def test_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A run begins with its recipe, data, network, cost, and the path of its model."""
    RunView(Titles()).begin(make_plan(epochs=4, done=0))
    printed = capsys.readouterr().out
    for part in ("compact: ", "55,000 images", "24 channels", "467,587 weights, 5.5 million", "models/compact_2.h5"):
        assert part in printed


def test_best_epoch_is_marked(capsys: pytest.CaptureFixture[str]) -> None:
    """An epoch is a line with its figures, and a mark if it is the best so far."""
    view = RunView(Titles())
    view.begin(make_plan(epochs=10, done=0))
    capsys.readouterr()
    view.end_epoch(1, EPOCH, is_best=True)
    view.end_epoch(2, EPOCH, is_best=False)
    first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert first == ["1/10", "0.5000", "75.00%", "0.2500", "87.50%", "61.2", "s", "best"]
    assert second[-1] == "s"


def test_share_is_that_of_the_whole_run_since_it_was_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    """Epochs before the run was resumed are printed, and do not count for the time that is left."""
    titles = Titles()
    view = RunView(titles)
    view.begin(make_plan(epochs=6, done=2))
    assert capsys.readouterr().out.count("before") == 2
    view.begin_epoch(3)
    view.prepare("altering the images")
    view.advance(1.0, loss=0.5, accuracy=0.75)
    view.begin_epoch(4)
    view.prepare("altering the images")
    assert titles.told[1][0] == "epoch 3/6: loss 0.500, accuracy 75.0%"
    assert [share for _, share in titles.told] == [0.0, 0.25, 0.25]
