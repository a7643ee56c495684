"""Predictions of several images, in parts and joined."""

import numpy as np

from fashion_api.inference.classifier import Predictions
from tests.fakes import NovelClassifier, fake_test_set


def test_parts_of_a_batch_join_to_the_whole() -> None:
    """Predictions that were taken apart and joined are what they were."""
    images = fake_test_set().images[1:4].copy()
    images[:, -1, -1] = (3, 200, 7)
    whole = NovelClassifier().classify(images)

    joined = Predictions.join([whole.take(0, 1), whole.take(1, 3)])

    np.testing.assert_array_equal(joined.probabilities, whole.probabilities)
    np.testing.assert_array_equal(joined.novelty, whole.novelty)
