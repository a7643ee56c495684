"""Accuracy and acceptance on altered test images: mirrored, corrupted, and as poor pictures."""

import math
from functools import partial

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.evaluation_record import CorruptionScore, PoorPictureScore
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import compute_accepted
from fashion_api.training.evaluate.stages import BeginPart, begin_nothing
from fashion_api.training.recipes import RECIPES
from fashion_api.training.synthetic.corruptions import CORRUPTIONS, Corruption
from fashion_api.training.synthetic.poor_pictures import MET, UNMET, Alter

_LEVELS = (0, 1, 2)
_ALTERED_VALUES = 10_000 * 28 * 28  # at a time: all test images of Fashion-MNIST


def measure_mirrored(classifier: Classifier, test: Split) -> float:
    """Measure the accuracy on the test images mirrored left to right."""
    return _measure(classifier, test, lambda images: images[:, :, ::-1], None).accuracy


def measure_corruptions(
    classifier: Classifier,
    test: Split,
    thresholds: NoveltyThresholds | None,
    *,
    recipe: str | None,
    begin_part: BeginPart = begin_nothing,
) -> dict[str, CorruptionScore]:
    """Measure accuracy and acceptance under each corruption at each strength.

    Args:
        classifier: the model as served.
        test: the test images.
        thresholds: of its novelty, if it has any.
        recipe: the name of its recipe, if known.
        begin_part: is told the name of each corruption.
    """
    scores = {}
    for corruption in CORRUPTIONS.values():
        begin_part(corruption.name)
        scores[corruption.name] = _measure_corruption(corruption, classifier, test, thresholds, recipe=recipe)
    return scores


def _measure_corruption(
    corruption: Corruption,
    classifier: Classifier,
    test: Split,
    thresholds: NoveltyThresholds | None,
    *,
    recipe: str | None,
) -> CorruptionScore:
    first, second, third = (
        _measure(classifier, test, partial(corruption.apply, level=level), thresholds) for level in _LEVELS
    )
    mild, middle, hard = map(corruption.describe, _LEVELS)
    known = RECIPES.get(recipe or "")
    accepted = (first.accepted, second.accepted, third.accepted)
    return CorruptionScore(
        strengths=(mild, middle, hard),
        accuracies=(first.accuracy, second.accuracy, third.accuracy),
        accepted=None if thresholds is None else accepted,
        is_trained_for=None if known is None else corruption.is_trained_for(known.augmentation),
    )


def measure_poor_pictures(
    classifier: Classifier,
    test: Split,
    thresholds: NoveltyThresholds | None,
    *,
    recipe: str | None,
    begin_part: BeginPart = begin_nothing,
) -> dict[str, PoorPictureScore]:
    """Measure accuracy and acceptance of each kind of poor pictures; the arguments are as above."""
    known = RECIPES.get(recipe or "")
    scores = {}
    for name, alter in {**MET, **UNMET}.items():
        begin_part(name)
        score = _measure(classifier, test, alter, thresholds)
        is_trained_for = None if known is None else name in MET and known.augmentation.captured_share > 0
        scores[name] = score.model_copy(update={"is_trained_for": is_trained_for})
    return scores


def _measure(
    classifier: Classifier, test: Split, alter: Alter, thresholds: NoveltyThresholds | None
) -> PoorPictureScore:
    """Classify the altered test images, of which so many are altered at a time as fit the memory."""
    size = max(1, _ALTERED_VALUES // math.prod(test.images.shape[1:]))
    answers = Predictions.join(
        [
            classify_all(classifier, np.ascontiguousarray(alter(test.images[start : start + size])))
            for start in range(0, len(test), size)
        ]
    )
    return PoorPictureScore(
        accuracy=float((answers.class_ids == test.labels).mean()), accepted=compute_accepted(answers, thresholds)
    )
