"""Random augmentation of training images, against overfitting."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from fashion_api.images import Images


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images at random; the defaults leave them unchanged."""

    is_flipped: bool = False
    """Mirror half of the images left to right."""
    max_shift: float = 0.0
    """Shift by up to this share of the image's height and width, rounded down to whole pixels; the gap is black."""
    erased_share: float = 0.0
    """Fill a random rectangle, of up to half the height and width, with one grey, in this share of the images
    (random erasing: Z. Zhong et al., arXiv:1708.04896)."""


Augment = Callable[[Images, Augmentation, np.random.Generator], Images]
"""Augments uint8[n, height, width], the images of an epoch."""


def augment(images: Images, augmentation: Augmentation, rng: np.random.Generator) -> Images:
    """Augment each image of uint8[n, height, width]; the same `rng` state gives the same images."""
    if augmentation.is_flipped:
        mirrored = rng.random(len(images)) < 0.5  # noqa: PLR2004  # an even chance
        images = np.where(mirrored[:, None, None], images[:, :, ::-1], images)
    return _erase(_shift(images, augmentation.max_shift, rng), augmentation.erased_share, rng)


def list_views(images: Images, augmentation: Augmentation) -> Iterator[Images]:
    """Give uint8[n, height, width] in the views that `augmentation` makes likely.

    The images themselves; with shifts, also shifted by one pixel in each direction; with mirroring, all of these
    mirrored too.
    """
    height, width = images.shape[1:]
    rows, columns = (min(1, int(size * augmentation.max_shift)) for size in (height, width))
    moves = dict.fromkeys(((0, 0), (rows, 0), (-rows, 0), (0, columns), (0, -columns)))
    for is_mirrored in (False, True)[: 1 + augmentation.is_flipped]:
        padded = np.pad(images[:, :, ::-1] if is_mirrored else images, ((0, 0), (rows, rows), (columns, columns)))
        for down, right in moves:
            top, left = rows - down, columns - right
            yield np.ascontiguousarray(padded[:, top : top + height, left : left + width])


def _shift(images: Images, max_shift: float, rng: np.random.Generator) -> Images:
    count, height, width = images.shape
    rows, columns = int(height * max_shift), int(width * max_shift)
    if rows == columns == 0:
        return images
    padded = np.pad(images, ((0, 0), (rows, rows), (columns, columns)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    tops, lefts = rng.integers(0, 2 * rows + 1, count), rng.integers(0, 2 * columns + 1, count)
    shifted: Images = windows[np.arange(count), tops, lefts]
    return shifted


def _erase(images: Images, share: float, rng: np.random.Generator) -> Images:
    if not share:
        return images
    erased = images.copy()
    height, width = images.shape[1:]
    for index in np.flatnonzero(rng.random(len(images)) < share):
        rows, columns = rng.integers(height // 8, height // 2 + 1), rng.integers(width // 8, width // 2 + 1)
        top, left = rng.integers(0, height - rows + 1), rng.integers(0, width - columns + 1)
        erased[index, top : top + rows, left : left + columns] = rng.integers(0, 256)
    return erased
