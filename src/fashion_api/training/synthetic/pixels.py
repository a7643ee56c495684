"""Conversion of computed values to pixels."""

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images


def to_pixels(values: npt.NDArray[np.float64]) -> Images:
    """Round values to whole numbers, and limit them to 0–255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
