"""Pixels to picture files."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encode_png(image: NDArray[np.uint8], *, scale: int = 1) -> bytes:
    """Write uint8[height, width] as a grey PNG, uint8[height, width, 3] as one in colour.

    Each pixel is enlarged to `scale` × `scale` (nearest neighbour).
    """
    file = BytesIO()
    Image.fromarray(image.repeat(scale, axis=0).repeat(scale, axis=1)).save(file, "PNG")
    return file.getvalue()
