"""Corruptions of images, as by worse cameras, scanners and crops, each kind at three strengths.

The kinds are small shifts and those of D. Hendrycks, T. Dietterich, "Benchmarking Neural Network Robustness to Common
Corruptions and Perturbations", arXiv:1903.12261, that apply to small images. The strengths were set once, by
looking at the images; nothing is tuned to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image

from fashion_api.images import Images
from fashion_api.training.synthetic.augmentation import Augmentation
from fashion_api.training.synthetic.pixels import is_coloured, recompress, to_pixels

Corrupt = Callable[[Images, float, np.random.Generator], Images]
"""Corrupts images, grey or in colour, at a strength, which is in the kind's own unit."""

_SEED = 0
_SIGMAS = 3  # how many standard deviations the blur's kernel reaches
_DIRECTIONS = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)])


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption."""

    name: str
    unit: str
    """The format of a strength with its unit, as `{:g} px`."""
    strengths: tuple[float, float, float]
    """From mild to hard."""
    corrupt: Corrupt
    is_trained_for: Callable[[Augmentation], bool] = lambda augmentation: augmentation.captured_share > 0
    """Whether training with an augmentation alters its images similarly; poor pictures have nearly all kinds."""

    def apply(self, images: Images, level: int) -> Images:
        """Corrupt images, grey or in colour, at `level`, 0 to 2; the result is always the same."""
        return self.corrupt(images, self.strengths[level], np.random.default_rng((_SEED, level)))

    def describe(self, level: int) -> str:
        """Format the strength of a level with its unit."""
        return self.unit.format(self.strengths[level])


def add_noise(images: Images, sigma: float, rng: np.random.Generator) -> Images:
    """Add normal noise of a standard deviation of `sigma` grey levels to each pixel."""
    return to_pixels(images + rng.normal(0, sigma, images.shape))


def blur(images: Images, sigma: float, _: np.random.Generator) -> Images:
    """Blur by a Gaussian of a standard deviation of `sigma` pixels; the edge pixels are repeated beyond the edge."""
    reach = max(1, round(_SIGMAS * sigma))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    padded = np.pad(images.astype(np.float64), _pad_sides(images, reach), mode="edge")
    for axis in (1, 2):
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        padded = windows @ weights
    return to_pixels(padded)


def brighten(images: Images, amount: float, _: np.random.Generator) -> Images:
    """Add `amount` grey levels to every pixel, the background included."""
    return to_pixels(images.astype(np.float64) + amount)


def lower_contrast(images: Images, share: float, _: np.random.Generator) -> Images:
    """Reduce the distance of every pixel from the image's mean, that of its channel, to `share` of it."""
    means = images.mean(axis=(1, 2), keepdims=True)
    return to_pixels(means + (images - means) * share)


def shift(images: Images, pixels: float, rng: np.random.Generator) -> Images:
    """Shift each image by whole pixels in one of the eight directions, drawn at random; the gap is black."""
    count, height, width = images.shape[:3]
    reach = int(pixels)
    padded = np.pad(images, _pad_sides(images, reach))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    moves = reach + reach * _DIRECTIONS[rng.integers(0, len(_DIRECTIONS), count)]
    shifted: Images = windows[np.arange(count), moves[:, 0], moves[:, 1]]
    return np.moveaxis(shifted, 1, -1) if is_coloured(images) else shifted


def _pad_sides(images: Images, reach: int) -> list[tuple[int, int]]:
    """List for `numpy.pad` what is added to each axis: `reach` pixels to every side of an image."""
    return [(0, 0), (reach, reach), (reach, reach), *((0, 0) for _ in images.shape[3:])]


def rotate(images: Images, degrees: float, rng: np.random.Generator) -> Images:
    """Rotate each image by `degrees` about its middle, to the left or to the right, drawn at random."""
    angles = degrees * rng.choice((-1, 1), len(images))
    return np.stack(
        [
            np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))
            for image, angle in zip(images, angles.tolist(), strict=True)
        ]
    )


def scale(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Scale each image about its middle by 1 + `share` or by its inverse, drawn at random."""
    factors = (1 + share) ** rng.choice((-1, 1), len(images))
    return np.stack([_scale_one(image, factor) for image, factor in zip(images, factors.tolist(), strict=True)])


def _scale_one(image: Images, factor: float) -> Images:
    height, width = image.shape[:2]
    y, x = height / 2, width / 2
    backwards = (1 / factor, 0, x - x / factor, 0, 1 / factor, y - y / factor)
    scaled = Image.fromarray(image).transform(
        (width, height), Image.Transform.AFFINE, backwards, Image.Resampling.BILINEAR
    )
    return np.asarray(scaled)


def compress_jpeg(images: Images, quality: float, _: np.random.Generator) -> Images:
    """Encode and decode each image as JPEG of a quality from 1 to 95, on Pillow's scale."""
    return np.stack([recompress(image, int(quality)) for image in images])


def occlude(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Cover a random place of each image with a grey rectangle of `share` of its height and width."""
    count, height, width = images.shape[:3]
    rows, columns = round(height * share), round(width * share)
    drawn: list[list[int]] = rng.integers(0, (height - rows + 1, width - columns + 1, 256), (count, 3)).tolist()
    occluded = images.copy()
    for image, (top, left, grey) in zip(occluded, drawn, strict=True):
        image[top : top + rows, left : left + columns] = grey
    return occluded


CORRUPTIONS: Mapping[str, Corruption] = MappingProxyType(
    {
        corruption.name: corruption
        for corruption in (
            Corruption("noise", "s.d. {:g}", (10, 25, 50), add_noise),
            Corruption("blur", "s.d. {:g} px", (0.5, 1, 1.5), blur),
            Corruption("brightness", "+{:g}", (30, 60, 90), brighten),
            Corruption("contrast", "× {:g}", (0.7, 0.5, 0.3), lower_contrast),
            Corruption("shift", "{:g} px", (1, 2, 4), shift, lambda augmentation: augmentation.max_shift > 0),
            Corruption("rotation", "{:g}°", (5, 10, 20), rotate),
            Corruption("scale", "1 + {:g}", (0.1, 0.2, 0.3), scale),
            Corruption("JPEG", "quality {:g}", (75, 50, 25), compress_jpeg),
            Corruption(
                "occlusion",
                "{:g} of each side",
                (0.2, 0.35, 0.5),
                occlude,
                lambda augmentation: augmentation.erased_share > 0,
            ),
        )
    }
)
"""By name; grey levels are from 0 to 255."""
