"""Accuracy and acceptance on altered test images: mirrored, corrupted, and as poor pictures."""

import math
from functools import partial

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import CorruptionScore, PoorPictureScore
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import compute_accepted, find_thresholds
from fashion_api.training.evaluate.stages import BeginPart, begin_nothing
from fashion_api.training.recipes import find_recipe
from fashion_api.training.synthetic.corruptions import CORRUPTIONS, Corruption
from fashion_api.training.synthetic.poor_pictures import MET, UNMET, Alter

_LEVELS = (0, 1, 2)
_ALTERED_VALUES = 10_000 * 28 * 28  # at a time: all test images of Fashion-MNIST


def measure_mirrored(model: LoadedModel, test: Split) -> float:
    """Measure the accuracy on the test images mirrored left to right."""
    return _measure(model, test, lambda images: images[:, :, ::-1]).accuracy


def measure_corruptions(
    model: LoadedModel, test: Split, *, begin_part: BeginPart = begin_nothing
) -> dict[str, CorruptionScore]:
    """Measure accuracy and acceptance under each corruption at each strength; `begin_part` is told the name of each."""
    scores = {}
    for corruption in CORRUPTIONS.values():
        begin_part(corruption.name)
        scores[corruption.name] = _measure_corruption(corruption, model, test)
    return scores


def _measure_corruption(corruption: Corruption, model: LoadedModel, test: Split) -> CorruptionScore:
    first, second, third = (_measure(model, test, partial(corruption.apply, level=level)) for level in _LEVELS)
    mild, middle, hard = map(corruption.describe, _LEVELS)
    recipe = find_recipe(model.manifest)
    accepted = (first.accepted, second.accepted, third.accepted)
    return CorruptionScore(
        strengths=(mild, middle, hard),
        accuracies=(first.accuracy, second.accuracy, third.accuracy),
        accepted=None if find_thresholds(model) is None else accepted,
        is_trained_for=None if recipe is None else corruption.is_trained_for(recipe.augmentation),
    )


def measure_poor_pictures(
    model: LoadedModel, test: Split, *, begin_part: BeginPart = begin_nothing
) -> dict[str, PoorPictureScore]:
    """Measure accuracy and acceptance of each kind of poor pictures; `begin_part` is told the name of each."""
    recipe = find_recipe(model.manifest)
    scores = {}
    for name, alter in {**MET, **UNMET}.items():
        begin_part(name)
        score = _measure(model, test, alter)
        is_trained_for = None if recipe is None else name in MET and recipe.augmentation.captured_share > 0
        scores[name] = score.model_copy(update={"is_trained_for": is_trained_for})
    return scores


def _measure(model: LoadedModel, test: Split, alter: Alter) -> PoorPictureScore:
    """Classify the altered test images, of which so many are altered at a time as fit the memory."""
    size = max(1, _ALTERED_VALUES // math.prod(test.images.shape[1:]))
    answers = Predictions.join(
        [
            classify_all(model.classifier, np.ascontiguousarray(alter(test.images[start : start + size])))
            for start in range(0, len(test), size)
        ]
    )
    return PoorPictureScore(
        accuracy=float((answers.class_ids == test.labels).mean()),
        accepted=compute_accepted(answers, find_thresholds(model)),
    )
