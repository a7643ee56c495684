"""Measures of a novelty score, from its receiver operating characteristic."""

import numpy as np

from fashion_api.training.arrays import Floats


def compute_auroc(accepted: Floats, refused: Floats) -> float:
    """Compute the area under the receiver operating characteristic of a score that should be higher for `refused`.

    It is the probability that a random one of `refused` has the higher score, ties counting half (J. A. Hanley,
    B. J. McNeil, Radiology 143, 1982, 29–36): Mann and Whitney's U over the number of pairs.

    Args:
        accepted: [n], the scores of images that should be accepted.
        refused: [m], the scores of images that should be refused.
    """
    ordered = np.sort(accepted)
    below = np.searchsorted(ordered, refused, side="left")
    not_above = np.searchsorted(ordered, refused, side="right")
    return float((below + not_above).mean() / (2 * len(accepted)))


def compute_fpr(accepted: Floats, refused: Floats) -> float:
    """Compute the share of `refused` that is accepted at the threshold that accepts 95 % of `accepted`.

    This is the FPR at 95 % TPR of S. Liang, Y. Li, R. Srikant, arXiv:1706.02690, and the later literature, in which
    images to be accepted are the positive class. The threshold is the least score that 95 % of `accepted` do not
    exceed.
    """
    threshold = np.quantile(accepted, 0.95, method="inverted_cdf")
    return float((refused <= threshold).mean())
