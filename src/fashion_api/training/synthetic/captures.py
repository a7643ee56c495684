"""Poor pictures of articles, as cameras, scanners and crops produce them: the kinds that training shows.

Each kind takes float32[n, height, width] in 0–255 and gives as many, altered at random; `capture` applies some of
the kinds to an image, one after the other. The three channels of an image in colour are altered alike.
`report_captures.py` has the kinds that only the report uses.
"""

import copy
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images
from fashion_api.training.synthetic.pixels import recompress, to_pixels

Pixels = npt.NDArray[np.float32]
Capture = Callable[[Pixels, np.random.Generator], Pixels]
"""Alters float32[n, height, width] at random; may give values outside of 0–255."""

_CHUNK_PIXELS = 1000 * 28 * 28  # at a time, so that they stay in the processor's cache
_ROTATED, _GREY_BLACK, _SLOPED, _ADDED = 0.7, 0.7, 0.5, 0.4  # shares of the images of a kind
_BACKGROUND = 10  # pixels below are background, as a rule 0
_FEWEST = 4  # pixels to a side that resampling leaves


def capture(images: Images, rng: np.random.Generator) -> Images:
    """Give images, grey or in colour, as poor pictures: each through a random choice of the trained kinds."""
    captured = np.empty_like(images)
    for chunk in _list_chunks(images):
        pixels = images[chunk].astype(np.float32)
        for _, alter, share in _TRAINING:
            chosen = np.flatnonzero(rng.random(len(pixels)) < share)
            if len(chosen):
                pixels[chosen] = np.clip(_alter(pixels[chosen], alter, rng), 0, 255)
        captured[chunk] = to_pixels(pixels)
    return captured


def apply_capture(images: Images, alter: Capture, rng: np.random.Generator) -> Images:
    """Give images, grey or in colour, through one kind."""
    altered = np.empty_like(images)
    for chunk in _list_chunks(images):
        altered[chunk] = to_pixels(_alter(images[chunk].astype(np.float32), alter, rng))
    return altered


def _list_chunks(images: Images) -> list[slice]:
    size = max(1, _CHUNK_PIXELS // max(1, math.prod(images.shape[1:3])))
    return [slice(start, start + size) for start in range(0, len(images), size)]


def _alter(pixels: Pixels, alter: Capture, rng: np.random.Generator) -> Pixels:
    """Alter float32[n, height, width], or each channel of float32[n, height, width, 3] with the same random numbers."""
    if pixels.ndim == 3:  # noqa: PLR2004  # without channels
        return alter(pixels, rng)
    generators = (copy.deepcopy(rng), copy.deepcopy(rng), rng)
    return np.stack([alter(pixels[..., channel], own) for channel, own in enumerate(generators)], axis=-1)


def place(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Scale to 0.6 to 1.1 of the size, rotate by up to 14° and move, mostly so that no part leaves the image."""
    count, height, width = images.shape
    scales = rng.uniform(0.6, 1.1, (count, 1)) * np.exp(rng.normal(0, 0.04, (count, 2)))
    angles = np.radians(rng.uniform(-14, 14, count)) * (rng.random(count) < _ROTATED)
    rooms = np.abs(1 - scales) / 2 * (height, width) + (height / 28, width / 28)
    moves = rng.uniform(-1, 1, (count, 2)) * rooms
    cosines, sines = np.cos(angles)[:, None, None], np.sin(angles)[:, None, None]
    rows, columns = _centre(height, width)
    y, x = rows - moves[:, :1, None], columns - moves[:, 1:, None]
    return sample(
        images,
        (cosines * y + sines * x) / scales[:, :1, None] + (height - 1) / 2,
        (cosines * x - sines * y) / scales[:, 1:, None] + (width - 1) / 2,
    )


def sample(images: Pixels, y: npt.NDArray[np.floating], x: npt.NDArray[np.floating]) -> Pixels:
    """Take each image at the fractional rows and columns [n, height, width], bilinearly; outside of it is black."""
    count, height, width = images.shape
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2))).ravel()
    y = np.clip(y.astype(np.float32) + 1, 0, height + 1)
    x = np.clip(x.astype(np.float32) + 1, 0, width + 1)
    top, left = y.astype(np.int32), x.astype(np.int32)
    down, right = y - top, x - left
    at = (top + (np.arange(count, dtype=np.int32) * (height + 3))[:, None, None]) * (width + 3) + left
    upper = padded[at] * (1 - right) + padded[at + 1] * right
    at += width + 3
    lower = padded[at] * (1 - right) + padded[at + 1] * right
    sampled: Pixels = upper * (1 - down) + lower * down
    return sampled


def resample(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Shrink to 0.4 to 0.85 of the size by averaging, and enlarge again, smoothly or in squares."""
    count, height, width = images.shape
    down, right = (_list_resamplings(size) for size in (height, width))
    chosen = rng.integers(0, len(down), count)
    return _mix(images, down[chosen], right[chosen % len(right)])


@cache
def _list_resamplings(size: int) -> Pixels:
    """List the matrices float32[m, size, size] that resample a line of `size` pixels."""
    fewest, most = min(size, max(_FEWEST, round(0.4 * size))), max(1, round(0.85 * size))
    matrices = []
    for kept in range(fewest, max(fewest, most) + 1):
        edges = np.linspace(0, size, kept + 1)
        pixels = np.arange(size)
        overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        shrink = np.clip(overlap, 0, None) * kept / size
        places = (pixels + 0.5) * kept / size
        square = np.eye(kept)[places.astype(int)]
        smooth = np.clip(1 - np.abs(np.clip(places - 0.5, 0, kept - 1)[:, None] - np.arange(kept)), 0, None)
        matrices += [square @ shrink, smooth @ shrink]
    return np.stack(matrices).astype(np.float32)


def blur(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur by a Gaussian of a standard deviation of 0.3 to 1.2 pixels."""
    sigmas = rng.uniform(0.3, 1.2, len(images)).astype(np.float32)
    return _mix(images, *(_make_gaussians(size, sigmas) for size in images.shape[1:]))


def _make_gaussians(size: int, sigmas: Pixels) -> Pixels:
    """Make the matrices float32[n, size, size] that blur a line of `size` pixels."""
    distances = (np.arange(size)[:, None] - np.arange(size)).astype(np.float32)
    weights = np.exp(-(distances**2) / (2 * sigmas[:, None, None] ** 2))
    made: Pixels = weights / weights.sum(axis=2, keepdims=True)
    return made


def _mix(images: Pixels, rows: Pixels, columns: Pixels) -> Pixels:
    """Apply a matrix for the rows and one for the columns to each image."""
    mixed: Pixels = np.matmul(np.matmul(rows, images), columns.swapaxes(1, 2))
    return mixed


def light(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Change the gamma and the contrast, by which black becomes a grey of up to 110."""
    count = len(images)
    gammas = np.exp(rng.uniform(-0.6, 0.6, (count, 1, 1))).astype(np.float32)
    black = rng.uniform(0, 110, (count, 1, 1)) * (rng.random((count, 1, 1)) < _GREY_BLACK)
    span = rng.uniform(0.25, 1, (count, 1, 1)) * (255 - black)
    lit: Pixels = (black + span * (images / 255) ** gammas).astype(np.float32)
    return lit


def set_background(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Make the background grey, of up to 60, evenly or with a gradient, alone or under the article as well."""
    count, height, width = images.shape
    rows, columns = _centre(height, width)
    slopes = rng.normal(0, 30, (count, 2)) * (rng.random((count, 1)) < _SLOPED)
    level = rng.uniform(3, 60, (count, 1, 1))
    grey = np.clip(level + slopes[:, :1, None] * rows / height + slopes[:, 1:, None] * columns / width, 0, 110)
    is_added = rng.random((count, 1, 1)) < _ADDED
    with_grey = np.where(is_added, images + grey, np.where(images < _BACKGROUND, grey, images))
    return with_grey.astype(np.float32)


def add_border(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Draw a line of one pixel or, of larger images, a few, along one to four of the edges."""
    count = len(images)
    thickness = max(1, round(min(images.shape[1:]) * 0.04))
    bordered = images.copy()
    greys = rng.uniform(30, 256, count)
    edges = rng.random((count, 4)) < rng.choice((0.3, 1.0), (count, 1))
    for edge, part in enumerate(
        (np.s_[:, :thickness], np.s_[:, -thickness:], np.s_[:, :, :thickness], np.s_[:, :, -thickness:])
    ):
        strip = bordered[part]
        bordered[part] = np.where(edges[:, edge, None, None], greys[:, None, None], strip)
    return bordered


def add_noise(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Add normal noise of a standard deviation of 2 to 25 grey levels to each pixel."""
    sigmas = np.exp(rng.uniform(math.log(2), math.log(25), (len(images), 1, 1)))
    noisy: Pixels = images + sigmas.astype(np.float32) * rng.standard_normal(images.shape, np.float32)
    return noisy


def compress_jpeg(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Write and read each image as JPEG of a quality of 15 to 95."""
    qualities: list[int] = rng.integers(15, 96, len(images)).tolist()
    return np.stack(
        [recompress(image, quality) for image, quality in zip(to_pixels(images), qualities, strict=True)]
    ).astype(np.float32)


_TRAINING: tuple[tuple[str, Capture, float], ...] = (
    ("placement", place, 0.5),
    ("resampling", resample, 0.15),
    ("blur", blur, 0.25),
    ("lighting", light, 0.35),
    ("background", set_background, 0.35),
    ("border", add_border, 0.06),
    ("noise", add_noise, 0.3),
    ("JPEG", compress_jpeg, 0.08),
)
"""The kinds that training shows, each for a share of the images, in the order in which they happen to a picture."""
TRAINING_CAPTURES: Mapping[str, Capture] = MappingProxyType({name: alter for name, alter, _ in _TRAINING})
"""The same by name."""


def _centre(height: int, width: int) -> tuple[Pixels, Pixels]:
    """Give the row and the column of each pixel, counted from the middle: float32[height, width] each."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return rows - (height - 1) / 2, columns - (width - 1) / 2
