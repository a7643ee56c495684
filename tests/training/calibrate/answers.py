"""Synthetic answers of a classifier, with the right classes."""

import numpy as np
import numpy.typing as npt


def draw_answers(count: int, *, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Draw probabilities of five classes, and right classes that follow them: float64[n, 5] and int[n]."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(5, 0.4), count)
    return probabilities, (probabilities.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(0, 4)
