from fashion_api.training.history import Epoch
from fashion_api.training.report.figures import draw_learning_curves
from fashion_api.training.report.plots import plot_learning_curves
from tests.training.samples import TRAINING_RECORD


def test_learning_curves_mark_the_epoch_that_was_kept() -> None:
    """Epochs count from 1 in the record of a training."""
    history = [Epoch(loss, 0.9, loss, 0.9, 1.0) for loss in (0.5, 0.3, 0.4)]
    training = TRAINING_RECORD.model_copy(update={"best_epoch": 2})

    drawn = draw_learning_curves(training, history, name="bands")

    assert drawn == plot_learning_curves(history, best_index=1, title="bands: recipe small, seed 3")
