import numpy as np

from fashion_api.training.metrics.confusion import score_classes
from fashion_api.training.report.summary import render_confusion_matrix, render_scores

LABELS = ("cat", "dog", "eel")
MATRIX = np.array([[2, 1, 0], [2, 0, 0], [0, 0, 0]])


def test_score_table_has_a_row_for_each_class() -> None:
    """The table of scores lines up."""
    assert render_scores(score_classes(MATRIX, LABELS)).splitlines() == [
        "class  precision  recall  images",
        "cat       0.5000  0.6667       3",
        "dog       0.0000  0.0000       2",
        "eel       0.0000  0.0000       0",
    ]


def test_confusion_table_names_rows_and_numbers_columns() -> None:
    """The confusion matrix as text lines up, with a dot for nothing."""
    assert render_confusion_matrix(MATRIX * 100, LABELS).splitlines() == [
        "actual, by predicted    0   1   2",
        "0 cat                 200 100   .",
        "1 dog                 200   .   .",
        "2 eel                   .   .   .",
    ]
