from dataclasses import replace

import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.training.evaluate.nonsense import find_nonsense, measure_nonsense, score_answers
from tests.fakes import NovelClassifier, fake_model


class BrightHalvesClassifier(NovelClassifier):
    """Sees class 0 in images with a bright upper half; nothing is novel, but all that is taken for class 1."""

    def classify(self, images: Images) -> Predictions:
        upper = images[:, :14].mean(axis=(1, 2), dtype=np.float32) / 255
        probabilities = np.zeros((len(images), 10), np.float32)
        probabilities[:, 0], probabilities[:, 1] = upper, 1 - upper
        return Predictions(probabilities, np.where(upper < 0.5, 100, 0).astype(np.float32))


MODEL = fake_model(BrightHalvesClassifier())


def test_classes_that_are_reached_are_named() -> None:
    """A class for which an accepted image of the probability is found is reached, one whose images are refused not."""
    score = measure_nonsense(MODEL, queries=800, seeds=(0, 1))
    assert score is not None
    assert score.reached == (("T-shirt/top",), ("T-shirt/top",))
    assert (score.queries, score.probability) == (800, 0.9)


def test_found_image_is_accepted_as_the_class() -> None:
    """The image that is found has the class with the probability, and the same seed finds the same one."""
    first, second = (find_nonsense(MODEL, 0, queries=800, seed=0) for _ in range(2))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)
    assert score_answers(MODEL, MODEL.classifier.classify(first[None]), 0) == 0


def test_score_falls_with_probability_and_novelty() -> None:
    """An image on both sides of the limits scores 0; a lower probability or a higher novelty scores less."""
    probabilities = np.zeros((3, 10), np.float32)
    probabilities[:, 0], probabilities[:, 1] = [0.95, 0.6, 0.95], [0.05, 0.4, 0.05]
    scores = score_answers(MODEL, Predictions(probabilities, np.array([2, 2, 4], np.float32)), 0)
    assert scores == pytest.approx([0, np.log(0.6 / 0.9), -np.log(2)])


def test_model_without_thresholds_has_no_score() -> None:
    """Where nothing is refused, there is nothing to search for."""
    assert measure_nonsense(replace(MODEL, manifest=None)) is None
