"""The comparison of two models, with classifiers whose answers are known."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.errors import OtherModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.training.evaluate.comparison import Differences, compare_models
from tests.fakes import FakeClassifier, NovelClassifier, fake_model, fake_test_set

if TYPE_CHECKING:
    from fashion_api.training.evaluate.stages import Moment


class WrongInClassThree(FakeClassifier):
    """Sees class 4 in images of class 3, and what they show in those that the fake classifier gets wrong."""

    def classify(self, images: Images) -> Predictions:
        seen = super().classify(images).probabilities
        seen[images[:, 0, 0] == 3] = np.roll(seen[images[:, 0, 0] == 3], 1, axis=1)
        return Predictions(seen)


class RightClassifier(FakeClassifier):
    """Sees in the fake test set what its images show, which the second row says."""

    def classify(self, images: Images) -> Predictions:
        return super().classify(images[:, 1:])


def make_test_set() -> Split:
    """The fake test set; the second row of an image says its class, too."""
    test = fake_test_set()
    images = test.images.copy()
    images[:, 1, 0] = test.labels
    return Split(images, test.labels, sha256=test.sha256)


def test_accuracy_and_differences_are_counted() -> None:
    """Each model has its own scores; images on which the two differ are counted by class, and who is right."""
    compared = compare_models(fake_model(), fake_model(RightClassifier()), make_test_set())
    assert (compared.old.correct, compared.new.correct, compared.loss) == (27, 30, -0.1)
    assert (compared.old.accuracy, compared.new.accuracy) == (0.9, 1.0)
    assert compared.all == Differences(images=30, differing=3, corrected=3, spoilt=0)
    by_class = {label: found.differing for label, found in compared.classes.items() if found.differing}
    assert by_class == {"T-shirt/top": 3}
    assert compared.old.image_s > 0


def test_loss_is_that_of_the_new_model() -> None:
    """Where the new model gets images wrong that the old one got right, its accuracy is lower by their share."""
    compared = compare_models(fake_model(), fake_model(WrongInClassThree()), make_test_set())
    assert compared.loss == pytest.approx(0.1)
    assert compared.classes["Dress"] == Differences(images=3, differing=3, corrected=0, spoilt=3)


def test_calibration_is_of_each_model() -> None:
    """A model that is right more often than it is sure has the difference as its calibration error."""
    compared = compare_models(fake_model(), fake_model(RightClassifier()), make_test_set())
    assert compared.old.expected_calibration_error == pytest.approx(0.01, rel=1e-4)
    assert compared.new.expected_calibration_error == pytest.approx(0.09, rel=1e-4)
    assert compared.new.negative_log_likelihood == pytest.approx(-np.log(0.91), rel=1e-4)
    assert compared.new.brier == pytest.approx(0.09**2 + 9 * 0.01**2, rel=1e-4)


def test_novelty_is_of_the_models_that_score_it() -> None:
    """Of a model with a novelty output, the shares accepted and refused are given; of another, neither."""
    moments: list[Moment] = []
    compared = compare_models(fake_model(), fake_model(NovelClassifier()), make_test_set(), show=moments.append)
    assert (compared.old.accepted, compared.old.refused) == (None, None)
    assert compared.new.accepted == 1.0
    assert compared.new.refused is not None
    assert 0 < compared.new.refused < 1  # noise has any last pixel; turned articles have a black one
    assert {"uniform noise", "letters"} <= {moment.part for moment in moments}


@pytest.mark.parametrize(
    "change",
    [{"labels": tuple("abcdefghij")}, {"input": InputSpec(height=32, width=32)}],
    ids=["labels", "image size"],
)
def test_models_of_other_contracts_are_not_compared(change: dict[str, object]) -> None:
    """Models of other labels or another image size have no test set in common."""
    with pytest.raises(OtherModelError, match="cannot be compared: of the new one, it"):
        compare_models(fake_model(), replace(fake_model(), **change), make_test_set())  # type: ignore[arg-type]  # by name
