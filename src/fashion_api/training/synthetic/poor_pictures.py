"""The poor pictures that the report on robustness uses, made from test images.

Training shows altered images like some of them (`MET`); the others (`UNMET`) are of kinds that it never shows.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from fashion_api.images import Images
from fashion_api.training.synthetic.captures import TRAINING_CAPTURES, Capture, apply_capture
from fashion_api.training.synthetic.corruptions import add_noise, lower_contrast, rotate
from fashion_api.training.synthetic.report_captures import REPORT_CAPTURES

Alter = Callable[[Images], Images]
"""Alters images, grey or in colour; the result is always the same."""

_SEED = 20_170_826  # no other set of images is drawn from it
_BACKGROUND = 10  # pixels below are background


def set_background(images: Images, level: int) -> Images:
    """Set the background, all pixels below 10, to one grey."""
    return np.where(images < _BACKGROUND, level, images).astype(np.uint8)


def shrink(images: Images, share: float = 5 / 7) -> Images:
    """Shrink each article, by default to 20×20 of 28×28 pixels, in the middle of black."""
    height, width = images.shape[1:3]
    rows, columns = max(1, round(height * share)), max(1, round(width * share))
    shrunk = np.zeros_like(images)
    top, left = (height - rows) // 2, (width - columns) // 2
    shrunk[:, top : top + rows, left : left + columns] = _resize(images, (rows, columns), Image.Resampling.BILINEAR)
    return shrunk


def halve_pixels(images: Images) -> Images:
    """Average squares of 2×2 pixels, and show each as four equal ones."""
    height, width = images.shape[1:3]
    small = _resize(images, (max(1, height // 2), max(1, width // 2)), Image.Resampling.BOX)
    return _resize(small, (height, width), Image.Resampling.NEAREST)


def _resize(images: Images, shape: tuple[int, int], method: Image.Resampling) -> Images:
    return np.stack([np.asarray(Image.fromarray(image).resize(shape[::-1], method)) for image in images])


def _start_generator() -> np.random.Generator:
    return np.random.default_rng(_SEED)


def _apply(alter: Capture) -> Alter:
    return lambda images: apply_capture(images, alter, _start_generator())


MET: Mapping[str, Alter] = MappingProxyType(
    {
        "background 10": lambda images: set_background(images, 10),
        "background 30": lambda images: set_background(images, 30),
        "shrunk to five sevenths": shrink,
        "contrast halved": lambda images: lower_contrast(images, 0.5, _start_generator()),
        "rotated by 10°": lambda images: rotate(images, 10, _start_generator()),
        "noise s.d. 5": lambda images: add_noise(images, 5, _start_generator()),
        "pixels halved": halve_pixels,
        **{f"{name}, as in training": _apply(alter) for name, alter in TRAINING_CAPTURES.items()},
    }
)
"""Kinds of which training shows the like; those without "as in training" have one fixed strength."""
UNMET: Mapping[str, Alter] = MappingProxyType({name: _apply(alter) for name, alter in REPORT_CAPTURES.items()})
"""Kinds that training never shows."""
