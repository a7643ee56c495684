"""Fits the thresholds of prediction sets class by class, so that the coverage holds for each class.

One threshold for all classes keeps the coverage on average only: the easy classes compensate for the hard ones.
"""

import math

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import COVERAGES, LEAST_PROBABILITY
from fashion_api.training.arrays import Floats, Labels

Thresholds = npt.NDArray[np.float64]
"""float64[classes]: the least probability with which each class is in a set."""

FEWEST_IMAGES = 100
"""Of each class; with fewer, a class's own threshold would put it into nearly every set."""
_CONFIDENCE = 0.8
_BLENDED_COVERAGE = 0.99
"""Five of a class's 500 images decide its own threshold; sets would grow because of a few odd ones."""
_BLENDED_WEIGHT = 0.25
_BLENDED_MARGIN = 0.25
"""The share of the images left out that is covered beyond the nominal coverage, because test images are harder."""
_DIGITS = 9  # decimals within which n · coverage is a whole number


def fit_class_sets(probabilities: Floats, labels: Labels) -> dict[str, tuple[float, ...]] | None:
    """Find each class's threshold for each coverage; `None` if a class has fewer than 100 images.

    90 % and 95 % get the classes' own thresholds, fitted so that the coverage holds for four in five validation sets.
    99 % gets a blend, fitted for 99.25 %.

    Args:
        probabilities: [n, classes], as served.
        labels: [n], the right class of each image.
    """
    if np.bincount(labels, minlength=probabilities.shape[1]).min() < FEWEST_IMAGES:
        return None
    return {f"{coverage:g}": tuple(_fit(probabilities, labels, coverage).tolist()) for coverage in COVERAGES}


def _fit(probabilities: Floats, labels: Labels, coverage: float) -> Thresholds:
    if coverage < _BLENDED_COVERAGE:
        return fit_class_thresholds(probabilities, labels, coverage, confidence=_CONFIDENCE)
    with_margin = coverage + _BLENDED_MARGIN * (1 - coverage)
    return fit_blended_thresholds(probabilities, labels, with_margin, weight=_BLENDED_WEIGHT)


def fit_class_thresholds(
    probabilities: Floats, labels: Labels, coverage: float, *, confidence: float | None = None
) -> Thresholds:
    """Find each class's own threshold.

    Mondrian conformal prediction (V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005, 4.5)
    with the sets of M. Sadinle et al. (arXiv:1609.00451): the sets of a class's k = ⌈(n + 1) · coverage⌉ easiest of n
    images hold the class.

    This keeps the coverage on average over validation sets. With `confidence`, k is raised until the coverage holds for
    this share of all validation sets: the coverage of k out of n follows Beta(k, n + 1 - k) (V. Vovk, arXiv:1209.2673).

    Args:
        probabilities: [n, classes], as served.
        labels: [n], the right class of each image.
        coverage: the share of each class's images whose sets should hold the class.
        confidence: a share below 1, or `None`.

    Returns:
        For a class with too few images, 0: it is in every set.
    """
    thresholds = np.zeros(probabilities.shape[1])
    for class_id in range(probabilities.shape[1]):
        own = np.sort(probabilities[labels == class_id, class_id])[::-1]
        rank = count_needed(len(own), coverage, confidence=confidence)
        if rank <= len(own):
            thresholds[class_id] = min(float(own[rank - 1]), 1.0)
    return thresholds


def count_needed(images: int, coverage: float, *, confidence: float | None = None) -> int:
    """Compute how many of so many images must be covered; one more than there are if these are too few."""
    if confidence is None:
        return math.ceil(round((images + 1) * coverage, _DIGITS))
    # P(Beta(k, n + 1 - k) >= coverage) is P(Binomial(n, coverage) <= k - 1).
    rank, reached = 0, 0.0
    while rank <= images and reached < confidence:
        reached += math.exp(_log_binomial(images, rank, coverage))
        rank += 1
    return rank if reached >= confidence else images + 1


def _log_binomial(trials: int, successes: int, share: float) -> float:
    choose = math.lgamma(trials + 1) - math.lgamma(successes + 1) - math.lgamma(trials - successes + 1)
    return choose + successes * math.log(share) + (trials - successes) * math.log1p(-share)


def fit_blended_thresholds(probabilities: Floats, labels: Labels, coverage: float, *, weight: float) -> Thresholds:
    """Blend each class's own threshold with the one of all classes.

    The blend is the geometric mean, with `weight` from 0, one threshold for all classes, to 1, each class's own.
    """
    own = np.maximum(fit_class_thresholds(probabilities, labels, coverage), LEAST_PROBABILITY)
    likelihoods = np.sort(probabilities[np.arange(len(labels)), labels])[::-1]
    rank = count_needed(len(labels), coverage)
    common = max(float(likelihoods[rank - 1]), LEAST_PROBABILITY) if rank <= len(labels) else LEAST_PROBABILITY
    blended: Thresholds = own**weight * common ** (1 - weight)
    return blended
