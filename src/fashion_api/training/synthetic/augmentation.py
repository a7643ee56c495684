"""Random augmentation of training images, against overfitting."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fashion_api.images import Images
from fashion_api.training.synthetic.captures import capture


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images at random; the defaults leave them unchanged."""

    is_flipped: bool = False
    """Mirror half of the images left to right."""
    max_shift: float = 0.0
    """Shift by up to this share of the image's height and width, rounded down to whole pixels; the gap is black."""
    erased_share: float = 0.0
    """Fill a random rectangle, of up to half the height and width, with one grey or colour, in this share of the images
    (random erasing: Z. Zhong et al., arXiv:1708.04896)."""
    captured_share: float = 0.0
    """Turn this share of the images into poor pictures (`captures.py`), in place of shifting and erasing."""


Augment = Callable[[Images, Augmentation, np.random.Generator], Images]
"""Augments uint8[n, height, width] or uint8[n, height, width, 3], the images of an epoch."""


def augment(images: Images, augmentation: Augmentation, rng: np.random.Generator) -> Images:
    """Augment each image, grey or in colour; the same `rng` state gives the same images."""
    if augmentation.is_flipped:
        mirrored = rng.random(len(images)) < 0.5  # noqa: PLR2004  # an even chance
        images = np.where(mirrored.reshape(-1, *(1 for _ in images.shape[1:])), images[:, :, ::-1], images)
    augmented = _erase(_shift(images, augmentation.max_shift, rng), augmentation.erased_share, rng)
    if augmentation.captured_share:
        is_captured = rng.random(len(images)) < augmentation.captured_share
        augmented = augmented.copy()
        augmented[is_captured] = capture(images[is_captured], rng)
    return augmented


def _shift(images: Images, max_shift: float, rng: np.random.Generator) -> Images:
    count, height, width, *channels = images.shape
    rows, columns = int(height * max_shift), int(width * max_shift)
    if rows == columns == 0:
        return images
    padded = np.pad(images, ((0, 0), (rows, rows), (columns, columns), *((0, 0) for _ in channels)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    tops, lefts = rng.integers(0, 2 * rows + 1, count), rng.integers(0, 2 * columns + 1, count)
    shifted: Images = windows[np.arange(count), tops, lefts]
    return np.moveaxis(shifted, 1, -1) if channels else shifted


def _erase(images: Images, share: float, rng: np.random.Generator) -> Images:
    if not share:
        return images
    erased = images.copy()
    height, width, *channels = images.shape[1:]
    for index in np.flatnonzero(rng.random(len(images)) < share):
        rows, columns = rng.integers(height // 8, height // 2 + 1), rng.integers(width // 8, width // 2 + 1)
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        erased[index, top : top + rows, left : left + columns] = rng.integers(0, 256, channels)
    return erased
