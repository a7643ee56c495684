"""Figures of merit of probabilities and of scores for novelty; NumPy alone, in float64."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fashion_api.inference.evaluation_record import Estimate

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]

BINS = 15
"""Equal-width bins of the calibration error, as in Guo et al."""
_RESAMPLES = 1000
_DRAWINGS = 200
_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point
_SEED = 0
LEAST_PROBABILITY = 1e-37
"""What serving takes the logarithm of at least."""


def compute_nll(probabilities: Floats, labels: Labels) -> Floats:
    """Give each image's negative log-likelihood, in nats: float64[n] from [n, classes] and [n]."""
    likelihoods = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    losses: Floats = -np.log(np.maximum(likelihoods, LEAST_PROBABILITY))
    return losses


def compute_brier(probabilities: Floats, labels: Labels) -> Floats:
    """Give each image's Brier score, from 0 to 2: float64[n] from [n, classes] and [n].

    The sum over the classes of the squared errors, as in G. W. Brier, Monthly Weather Review 78, 1950, 1–3.
    """
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(labels)), labels] -= 1
    scores: Floats = (errors**2).sum(axis=1)
    return scores


def bin_confidences(confidences: Floats) -> npt.NDArray[np.intp]:
    """Tell each confidence's bin, from 0 to `BINS` - 1; a bin holds its upper edge, as in Guo et al."""
    return np.clip(np.ceil(confidences.astype(np.float64) * BINS).astype(np.intp) - 1, 0, BINS - 1)


def compute_ece(confidences: Floats, is_correct: npt.NDArray[np.bool_]) -> float:
    """Compute the expected calibration error, from 0 to 1.

    The mean distance between confidence and accuracy over `BINS` equal-width bins, weighted by their images
    (M. P. Naeini, G. Cooper, M. Hauskrecht, AAAI 2015; C. Guo et al., arXiv:1706.04599, eq. 3).

    Args:
        confidences: [n], the probability of each image's most probable class.
        is_correct: bool[n], whether that is the right one.
    """
    bins = bin_confidences(confidences)
    gaps = np.bincount(bins, weights=confidences.astype(np.float64) - is_correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidences))


def estimate_ece_floor(confidences: Floats) -> float:
    """Tell the calibration error to expect of as many images if the confidences [n] were exactly right.

    It is not 0, as the accuracy in each bin varies by chance: the mean over 200 drawings of which images are right.
    """
    rng = np.random.default_rng(_SEED)
    drawn = (compute_ece(confidences, rng.random(len(confidences)) < confidences) for _ in range(_DRAWINGS))
    return float(np.mean(list(drawn)))


def estimate_mean(values: Floats) -> Estimate:
    """Give the mean of [n] with its 95 % interval; see `estimate`."""
    exact = np.asarray(values, np.float64)
    return estimate(lambda chosen: float(exact[chosen].mean()), len(values))


def estimate(statistic: Callable[[npt.NDArray[np.intp]], float], count: int) -> Estimate:
    """Give a statistic of `count` images, which is 0 at least, with its 95 % interval.

    1.96 standard errors to either side, the error by the bootstrap with 1,000 resamples, always from the same seed
    (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 6 and 12.3). Not by percentiles: resampling
    adds noise of its own to the bins of the calibration error, so that nearly all resamples have a larger one than the
    images.

    Args:
        statistic: computes it from the images of the indices given.
        count: how many images there are.
    """
    rng = np.random.default_rng(_SEED)
    value = statistic(np.arange(count))
    error = float(np.std([statistic(rng.integers(0, count, count)) for _ in range(_RESAMPLES)], ddof=1))
    return Estimate(value=value, low=max(0.0, value - _Z_95 * error), high=value + _Z_95 * error)


def compute_auroc(accepted: Floats, refused: Floats) -> float:
    """Compute the area under the receiver operating characteristic of a score that is to be higher for `refused`.

    The probability that a random one of `refused` has the higher score, ties counting half (J. A. Hanley, B. J. McNeil,
    Radiology 143, 1982, 29–36): Mann and Whitney's U over the number of pairs.

    Args:
        accepted: [n], the scores of what is to be accepted.
        refused: [m], those of what is to be refused.
    """
    ordered = np.sort(accepted)
    below = np.searchsorted(ordered, refused, side="left")
    not_above = np.searchsorted(ordered, refused, side="right")
    return float((below + not_above).mean() / (2 * len(accepted)))


def compute_fpr(accepted: Floats, refused: Floats, *, share: float = 0.95) -> float:
    """Compute which share of `refused` is accepted where `share` of `accepted` is (FPR at 95 % TPR).

    As S. Liang, Y. Li, R. Srikant, arXiv:1706.02690, and the later literature report it: the positive class is what
    is to be accepted. The threshold is the least score that `share` of `accepted` do not exceed.
    """
    threshold = np.quantile(accepted, share, method="inverted_cdf")
    return float((refused <= threshold).mean())
