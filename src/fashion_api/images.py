"""The one type of image that crosses the package's borders."""

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]
"""`uint8[n, height, width]`, or `uint8[height, width]` of a single image; 0 is black, 255 white."""
