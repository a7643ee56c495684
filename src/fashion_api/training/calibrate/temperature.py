"""Temperature scaling of probabilities (C. Guo et al., arXiv:1706.04599)."""

import math

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import LEAST_PROBABILITY
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.metrics.calibration_error import compute_nll

_TEMPERATURES = (0.05, 20.0)
_TOLERANCE = 1e-5  # of the logarithm of the temperature
_GOLDEN = (math.sqrt(5) - 1) / 2


def apply_temperature(probabilities: Floats, temperature: float) -> npt.NDArray[np.float64]:
    """Give float64[n, classes] as if the logits had been divided by `temperature`: softmax(log(p) / T).

    1 / T reverts T, except for probabilities too small for float32.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softened: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return softened


def fit_temperature(probabilities: Floats, labels: Labels) -> float:
    """Find the temperature from 0.05 to 20 with the lowest negative log-likelihood.

    The loss is convex in 1 / T, so it has one minimum in log T, which golden-section search finds (J. Kiefer, Proc. Am.
    Math. Soc. 4, 1953, 502–506). Where every answer is right, as of a few images it may be, the loss falls with
    the temperature and there is no minimum: then it is 1, and the probabilities stay as they are.
    """
    if (probabilities.argmax(axis=1) == labels).all():
        return 1.0

    def loss(log_temperature: float) -> float:
        return float(compute_nll(apply_temperature(probabilities, math.exp(log_temperature)), labels).mean())

    low, high = map(math.log, _TEMPERATURES)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)
