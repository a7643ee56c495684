"""95 % confidence intervals: Wilson's for shares, the bootstrap's for other statistics."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fashion_api.inference.evaluation_record import Estimate
from fashion_api.training.arrays import Floats

_Z_95 = 1.959963984540054  # the normal distribution's 97.5 % point
_RESAMPLES = 1000
_SEED = 0


def compute_wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Compute the 95 % score interval of a share (E. B. Wilson, J. Am. Stat. Assoc. 22, 1927, 209–212)."""
    share, z2 = correct / total, _Z_95**2
    centre = share + z2 / (2 * total)
    spread = _Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    scale = 1 + z2 / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def estimate_mean(values: Floats) -> Estimate:
    """Give the mean of [n] with its 95 % interval; see `estimate`."""
    exact = np.asarray(values, np.float64)
    return estimate(lambda chosen: float(exact[chosen].mean()), len(values))


def estimate(statistic: Callable[[npt.NDArray[np.intp]], float], count: int) -> Estimate:
    """Give a statistic of `count` images, which is never negative, with its 95 % interval.

    The interval is 1.96 standard errors to either side. The standard error is the bootstrap's, with 1,000 resamples
    from a fixed seed (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, ch. 6 and 12.3). Percentiles are
    not used: resampling adds noise to the bins of the calibration error, so nearly all resamples have a larger error
    than the images.

    Args:
        statistic: computes it from the images of the given indices.
        count: the number of images.
    """
    rng = np.random.default_rng(_SEED)
    value = statistic(np.arange(count))
    error = float(np.std([statistic(rng.integers(0, count, count)) for _ in range(_RESAMPLES)], ddof=1))
    return Estimate(value=value, low=max(0.0, value - _Z_95 * error), high=value + _Z_95 * error)
