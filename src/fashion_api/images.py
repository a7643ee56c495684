"""The one type of image that crosses the package's borders."""

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
"""`uint8[n, height, width]` of grey images, `uint8[n, height, width, 3]` of those in colour; without `n`, a single one.

0 is black, 255 white; colours are red, green and blue.
"""
