"""Split conformal prediction: fits the thresholds of prediction sets, and chooses how the sets are formed."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import COVERAGES, PredictionSets
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.calibrate.class_sets import count_needed

Method = Literal["least-ambiguous", "adaptive"]
METHODS: tuple[Method, ...] = ("least-ambiguous", "adaptive")

_CHOOSING_COVERAGE = 0.99  # where the sets of the two methods differ most
_SEED = 0


def choose_method(probabilities: Floats, labels: Labels) -> Method:
    """Choose the method with the smaller sets at 99 %; in a tie, the simpler method.

    The sets are fitted on half of the images and measured on the other half, and vice versa.
    """
    order = np.random.default_rng(_SEED).permutation(len(labels))
    halves = (order[::2], order[1::2])

    def measure(method: Method) -> int:
        return sum(
            count_members(fit_prediction_sets(probabilities[fit], labels[fit], method), probabilities[measured])
            for fit, measured in (halves, halves[::-1])
        )

    return min(METHODS, key=measure)


def count_members(sets: PredictionSets, probabilities: Floats) -> int:
    """Count the classes in the sets for 99 % of all images of [n, classes]."""
    return sum(len(sets.find_classes(row, _CHOOSING_COVERAGE)) for row in probabilities.tolist())


def fit_prediction_sets(probabilities: Floats, labels: Labels, method: Method) -> PredictionSets:
    """Find the method's threshold for each coverage, the same for all classes.

    With n images, the sets hold the right class of the k = ⌈(n + 1) · coverage⌉ easiest images (V. Vovk, A. Gammerman,
    G. Shafer, Algorithmic Learning in a Random World, 2005; A. Angelopoulos, S. Bates, arXiv:2107.07511); if k exceeds
    n, they hold all classes.

    Args:
        probabilities: [n, classes], as served.
        labels: [n], the right class of each image.
        method: how a set is formed from the probabilities.
    """
    count = len(labels)
    if method == "least-ambiguous":
        ordered = np.sort(probabilities[np.arange(count), labels])[::-1]
        beyond = 0.0
    else:
        ordered = np.sort(_sum_down_to(probabilities, labels))
        beyond = 1.0
    ranks = {f"{coverage:g}": count_needed(count, coverage) for coverage in COVERAGES}
    thresholds = {
        coverage: beyond if rank > count else min(float(ordered[rank - 1]), 1.0) for coverage, rank in ranks.items()
    }
    return PredictionSets(method=method, thresholds=thresholds)


def _sum_down_to(probabilities: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Add up the probabilities from the most probable class down to the right one."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1, dtype=np.float64)
    sum_: npt.NDArray[np.float64] = sums[order == labels[:, None]]
    return sum_
