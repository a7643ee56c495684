"""Conversions to pixels."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from fashion_api.images import Images


def to_pixels(values: npt.NDArray[np.floating]) -> Images:
    """Round values to whole numbers, and limit them to 0–255."""
    pixels: Images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def recompress(image: Images, quality: int) -> Images:
    """Encode and decode uint8[height, width] as JPEG of a quality from 1 to 95, on Pillow's scale."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))
