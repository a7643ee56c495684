from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.images import Images
from fashion_api.inference.evaluation_record import OWN_OUTPUT
from fashion_api.training.evaluate.detectors import (
    ClassGaussians,
    Detectors,
    Features,
    Neighbours,
    Residual,
    score_maximum_softmax,
    sum_exponentials,
)
from tests.training.evaluate.dark_images import DATA, BrightClassifier

Matrix = npt.NDArray[np.floating]

RNG = np.random.default_rng(6)
KNOWN = np.concatenate((RNG.normal(0, 1, (200, 6)), RNG.normal(5, 1, (200, 6)))).astype(np.float32)
CLASSES = np.repeat([0, 1], 200)
NEAR, FAR = (
    KNOWN[200:205] + np.float32(0.01),
    np.full((5, 6), -40, np.float32) + RNG.normal(0, 1, (5, 6)).astype(np.float32),
)


class LinearExtractor:
    """Computes six features as random linear combinations of the pixels, and two logits of these."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._weights = rng.normal(size=(16, 6))
        self.kernel = rng.normal(size=(6, 2))
        self.bias = rng.normal(size=2)

    def extract(self, images: Images) -> Features:
        values = images.reshape(len(images), -1) @ self._weights
        return Features(values.astype(np.float32), (values @ self.kernel + self.bias).astype(np.float32))


def test_energy_is_the_logarithm_of_the_sum() -> None:
    """The sum of exponentials does not overflow."""
    logits = np.array([[0.0, np.log(3)], [1000.0, 1000.0]])
    np.testing.assert_allclose(sum_exponentials(logits), [np.log(4), 1000 + np.log(2)])


def test_maximum_softmax_is_the_logarithm_of_the_largest_probability() -> None:
    """The score is -log of the largest probability, and distinguishes probabilities that round to 1."""
    logits = np.array([[0.0, np.log(3)], [0.0, 40.0], [0.0, 50.0]])
    scores = score_maximum_softmax(logits)
    assert scores[0] == pytest.approx(-np.log(0.75))
    assert scores[1] > scores[2] > 0


def test_mahalanobis_of_a_mean_is_zero() -> None:
    """The mean of a class is at no distance from it, and a step along a feature costs by its variance: by hand."""
    values = np.array([[-1.0, 0], [1, 0], [0, -2], [0, 2], [9, 0], [11, 0], [10, -2], [10, 2]])
    gaussians = ClassGaussians(values, np.repeat([0, 1], 4))
    np.testing.assert_allclose(gaussians.score(np.array([[0.0, 0], [10, 0], [2, 0], [0, 2]])), [0, 0, 8, 2])


def test_mahalanobis_takes_a_feature_that_never_varies() -> None:
    """A constant feature does not change the distances."""
    values: Matrix = np.column_stack((KNOWN, np.zeros(len(KNOWN))))
    plain, padded = ClassGaussians(KNOWN, CLASSES), ClassGaussians(values, CLASSES)
    np.testing.assert_allclose(padded.score(values[:9]), plain.score(KNOWN[:9]), rtol=1e-6)


def test_neighbour_is_the_kth_nearest_direction() -> None:
    """The distance is that to the second nearest of the known, all at length 1: by hand."""
    known = np.array([[2.0, 0], [0, 5], [-1, 0]])
    assert Neighbours(known, k=2).score(np.array([[3.0, 0]]))[0] == pytest.approx(np.sqrt(2))


def test_neighbours_are_found_for_more_than_fits_at_once() -> None:
    """Many queries are computed in parts, with the same results."""
    neighbours = Neighbours(KNOWN, k=3)
    queries = np.tile(KNOWN, (6, 1))[:2301]
    np.testing.assert_allclose(neighbours.score(queries)[-1], neighbours.score(queries[-1:])[0], atol=1e-6)


def test_residual_is_outside_the_principal_space() -> None:
    """The virtual logit is large for features outside the directions in which articles vary."""
    rng = np.random.default_rng(0)
    values = np.column_stack((rng.normal(0, 3, (300, 2)), rng.normal(0, 0.1, (300, 2)))).astype(np.float32)
    kernel = np.eye(4)[:, :2]
    residual = Residual(Features(values, values[:, :2]), kernel, np.zeros(2))
    logits = np.zeros((2, 2), np.float32)
    along, across = residual.score(Features(np.array([[5, 0, 0, 0], [0, 0, 5, 0]], np.float32), logits))
    assert along == pytest.approx(-np.log(2), abs=0.5)
    assert across > along + 10


@pytest.mark.parametrize("score", [ClassGaussians(KNOWN, CLASSES).score, Neighbours(KNOWN).score])
def test_what_is_far_from_all_classes_is_novel(score: Callable[[Matrix], Matrix]) -> None:
    """Features near those of the articles score lower than features far from all of them."""
    assert score(NEAR).max() < score(FAR).min()


def test_all_methods_score_every_image() -> None:
    """Each method gives one finite score for each image."""
    detectors = Detectors(BrightClassifier(), LinearExtractor(), DATA.images, DATA.labels)
    scores = detectors.score(DATA.validation_images)
    assert len(scores) == 6
    assert all(values.shape == (10,) and np.isfinite(values).all() for values in scores.values())


def test_without_features_the_answers_alone_are_scored() -> None:
    """For a model with other last layers, its own output and its probabilities are compared."""
    detectors = Detectors(BrightClassifier(), None, DATA.images, DATA.labels)
    assert set(detectors.score(DATA.images)) == {OWN_OUTPUT, "maximum softmax"}
