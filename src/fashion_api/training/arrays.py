"""Types of the arrays that training and evaluation compute with."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
"""Class ids, one for each image."""
