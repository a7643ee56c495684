import numpy as np

from fashion_api.training.history import Epoch
from fashion_api.training.report.figures import draw_confusion_matrix, draw_learning_curves
from fashion_api.training.report.plots import plot_confusion_matrix, plot_learning_curves
from tests.training.report.test_card import RECORD, make_manifest
from tests.training.samples import TRAINING_RECORD


def test_learning_curves_mark_the_epoch_that_was_kept() -> None:
    """Epochs count from 1 in the record of a training."""
    history = [Epoch(loss, 0.9, loss, 0.9, 1.0) for loss in (0.5, 0.3, 0.4)]
    training = TRAINING_RECORD.model_copy(update={"best_epoch": 2})

    drawn = draw_learning_curves(training, history, name="bands")

    title = "bands: epoch 2 was kept, with a validation accuracy of 92.50 %\nRecipe small, seed 3"
    assert drawn == plot_learning_curves(history, best_index=1, title=title)


def test_confusion_matrix_names_the_most_frequent_error() -> None:
    """Its title has the number of errors, and the two classes that are confused most often."""
    matrix = ((5, 3), (1, 6))
    record = RECORD.model_copy(update={"confusion_matrix": matrix, "images": 15, "correct": 11})
    manifest = make_manifest("bands", labels=("top", "bottom"), evaluation=record)

    drawn = draw_confusion_matrix(manifest)

    title = "bands 000000000000: 4 of 15 test images wrong\nThe most frequent error: top taken for bottom, 3 times"
    assert drawn == plot_confusion_matrix(np.array(matrix), ("top", "bottom"), title=title)


def test_confusion_matrix_without_errors_is_drawn() -> None:
    """A model that is always right has a matrix too."""
    record = RECORD.model_copy(update={"confusion_matrix": ((2, 0), (0, 2)), "correct": 4})
    assert draw_confusion_matrix(make_manifest("bands", labels=("top", "bottom"), evaluation=record)) is not None


def test_labels_are_drawn_as_they_are_and_leave_room() -> None:
    """A label is no formula, and is drawn on one line, with its first characters where it is long."""
    record = RECORD.model_copy(update={"confusion_matrix": ((5, 3), (1, 6)), "images": 15, "correct": 11})
    manifest = make_manifest("bands", labels=("$\\none$\nb", "x" * 200), evaluation=record)

    drawn = draw_confusion_matrix(manifest)

    labels = ("$\\none$ b", "x" * 29 + "…")
    title = (
        "bands 000000000000: 4 of 15 test images wrong\n"
        f"The most frequent error: {labels[0]} taken for {labels[1]}, 3 times"
    )
    assert drawn == plot_confusion_matrix(np.array(record.confusion_matrix), labels, title=title)


def test_labels_in_another_script_are_drawn_without_a_warning() -> None:
    """A label whose characters the font lacks has boxes in their place, and nothing is said of each."""
    record = RECORD.model_copy(update={"confusion_matrix": ((2, 0), (0, 2)), "correct": 4})
    assert draw_confusion_matrix(make_manifest("bands", labels=("靴", "鞄"), evaluation=record)) is not None
