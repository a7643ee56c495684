"""Measures of how well probabilities are calibrated, in float64."""

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.training.arrays import Floats, Labels

BINS = 15
"""Equal-width bins of the calibration error, as in Guo et al."""
_DRAWINGS = 200
_SEED = 0


def compute_nll(probabilities: Floats, labels: Labels) -> Floats:
    """Give each image's negative log-likelihood, in nats: float64[n] from [n, classes] and [n]."""
    likelihoods = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses: Floats = -np.log(np.maximum(likelihoods, LEAST_PROBABILITY))
    return losses


def compute_brier(probabilities: Floats, labels: Labels) -> Floats:
    """Give each image's Brier score, from 0 to 2: float64[n] from [n, classes] and [n].

    It is the sum over the classes of the squared errors, as in G. W. Brier, Monthly Weather Review 78, 1950, 1–3.
    """
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    scores: Floats = (errors**2).sum(axis=1)
    return scores


def bin_confidences(confidences: Floats) -> npt.NDArray[np.intp]:
    """Give each confidence's bin, from 0 to `BINS` - 1; a bin includes its upper edge, as in Guo et al."""
    return np.clip(np.ceil(confidences.astype(np.float64) * BINS).astype(np.intp) - 1, 0, BINS - 1)


def compute_ece(confidences: Floats, is_correct: npt.NDArray[np.bool_]) -> float:
    """Compute the expected calibration error, from 0 to 1.

    It is the mean distance between confidence and accuracy over `BINS` equal-width bins, weighted by their images
    (M. P. Naeini, G. Cooper, M. Hauskrecht, AAAI 2015; C. Guo et al., arXiv:1706.04599, eq. 3).

    Args:
        confidences: [n], the probability of each image's most probable class.
        is_correct: bool[n], whether that class is the right one.
    """
    bins = bin_confidences(confidences)
    gaps = np.bincount(bins, weights=confidences.astype(np.float64) - is_correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def estimate_ece_floor(confidences: Floats) -> float:
    """Estimate the calibration error that chance causes if the confidences [n] are exactly right.

    It is above 0, as the accuracy in each bin varies by chance: the mean over 200 drawings of which images are right.
    """
    rng = np.random.default_rng(_SEED)
    drawn = (compute_ece(confidences, rng.random(len(confidences)) < confidences) for _ in range(_DRAWINGS))
    return float(np.mean(list(drawn)))
