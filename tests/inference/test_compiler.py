"""The comparison of a compiled form with Keras."""

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.compiler import compare, make_comparison_images
from fashion_api.inference.manifest import InputSpec
from tests.fakes import FakeClassifier


class ShiftedClassifier(FakeClassifier):
    """Differs slightly from the fake classifier."""

    def __init__(self, difference: float) -> None:
        self._difference = np.float32(difference)

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities + self._difference)


class MirroredClassifier(FakeClassifier):
    """Gives other classes, all nearly equally probable."""

    def classify(self, images: Images) -> Predictions:
        probabilities = super().classify(images).probabilities * np.float32(1e-6)
        return Predictions(probabilities[:, ::-1])


class FlatClassifier(FakeClassifier):
    """Gives all classes nearly equal probabilities."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities * np.float32(1e-6))


IMAGES = make_comparison_images(InputSpec(height=28, width=28))


def test_rounding_is_no_difference() -> None:
    """A difference of 1e-6 in a probability is accepted."""
    compare(ShiftedClassifier(1e-6), FakeClassifier(), IMAGES)


@pytest.mark.parametrize("difference", [3e-5, float("nan")], ids=["3e-5", "NaN"])
def test_difference_in_a_probability_refuses_the_form(difference: float) -> None:
    """A difference of more than 1e-5, or NaN, refuses the compiled form."""
    with pytest.raises(ModelError, match="differs from Keras"):
        compare(ShiftedClassifier(difference), FakeClassifier(), IMAGES)


def test_difference_in_a_class_refuses_the_form() -> None:
    """A different class refuses the compiled form, however near the probabilities are."""
    with pytest.raises(ModelError, match="different classes"):
        compare(MirroredClassifier(), FlatClassifier(), IMAGES)
