"""Conversions of pixels, and what tells grey images from those in colour."""

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from fashion_api.images import Images

_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R 601-2
_GREY_DIMENSIONS = 3


def is_coloured(images: Images) -> bool:
    """Tell uint8[n, height, width, 3] from uint8[n, height, width]."""
    return images.ndim > _GREY_DIMENSIONS


def to_grey(images: Images) -> Images:
    """Convert uint8[n, height, width, 3] to uint8[n, height, width]."""
    return to_pixels(images @ _LUMA)


def add_channel(images: Images) -> Images:
    """Give uint8[n, height, width, channels], as Keras takes images: one channel is added to grey ones."""
    return images if is_coloured(images) else images[..., np.newaxis]


def to_pixels(values: npt.NDArray[np.floating]) -> Images:
    """Round values to whole numbers, and limit them to 0–255."""
    pixels: Images = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def recompress(image: Images, quality: int) -> Images:
    """Encode and decode an image, grey or in colour, as JPEG of a quality from 1 to 95, on Pillow's scale."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))
