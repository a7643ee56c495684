import numpy as np
import pytest

from fashion_api.training.metrics.confusion import count_confusions, score_classes

LABELS = ("cat", "dog", "eel")
# Three cats, one taken for a dog; two dogs, both taken for cats; no eels, and nothing taken for one.
MATRIX = np.array([[2, 1, 0], [2, 0, 0], [0, 0, 0]])


def test_confusions_are_counted_by_actual_and_predicted() -> None:
    """Each image is counted in the row of its actual class and the column of its predicted class."""
    actual, predicted = np.array([0, 0, 0, 1, 1], np.uint8), np.array([0, 1, 0, 0, 0])

    np.testing.assert_array_equal(count_confusions(actual, predicted, 3), MATRIX)


def test_confusions_of_many_classes_do_not_overflow() -> None:
    """Class ids as bytes are counted right even if id × classes exceeds a byte."""
    matrix = count_confusions(np.array([199], np.uint8), np.array([198]), 200)

    assert matrix[199, 198] == 1


def test_precision_is_the_share_of_what_was_predicted() -> None:
    """Of four images taken for cats, two are."""
    assert score_classes(MATRIX, LABELS)["cat"].precision == pytest.approx(0.5)


def test_recall_is_the_share_of_what_is_there() -> None:
    """Of three cats, two were found."""
    assert score_classes(MATRIX, LABELS)["cat"].recall == pytest.approx(2 / 3)


def test_class_that_never_occurs_scores_zero() -> None:
    """A class without images, which is never predicted, has precision and recall 0."""
    score = score_classes(MATRIX, LABELS)["eel"]

    assert (score.precision, score.recall, score.images) == (0, 0, 0)
