"""Fits the novelty thresholds, above which images are refused."""

import numpy as np

from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.training.arrays import Floats, Labels

_LEAST_NOVELTY = float(np.finfo(np.float32).tiny)  # a threshold has to be above 0
_ACCEPTED = 0.975
"""Of the images predicted as each class."""
_FEWEST_IMAGES = 50


def fit_novelty(novelty: Floats, predicted: Labels, *, classes: int) -> NoveltyThresholds:
    """Find the least novelties that given shares of articles do not exceed: of all, and of each predicted class.

    A class predicted for fewer than 50 images gets the threshold of all images.

    Args:
        novelty: [n], of the validation images.
        predicted: [n], their most probable classes.
        classes: the number of classes.
    """
    members = [novelty[predicted == class_id] for class_id in range(classes)]
    return NoveltyThresholds(
        threshold=_find_quantile(novelty, 0.95),
        threshold_98=_find_quantile(novelty, 0.98),
        class_thresholds=tuple(
            _find_quantile(own if len(own) >= _FEWEST_IMAGES else novelty, _ACCEPTED) for own in members
        ),
    )


def _find_quantile(novelty: Floats, share: float) -> float:
    return max(float(np.quantile(novelty, share, method="inverted_cdf")), _LEAST_NOVELTY)
