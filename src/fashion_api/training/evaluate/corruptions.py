"""Images as worse cameras, scanners and croppings would give them, each kind at three strengths.

The kinds are those of D. Hendrycks, T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations", arXiv:1903.12261, that mean something for small grey images, and small moves. The strengths were set
once, by looking at the images; nothing is tuned to them.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from fashion_api.training.fit.augmentation import Augmentation

Images = npt.NDArray[np.uint8]
Corrupt = Callable[[Images, float, np.random.Generator], Images]
"""Gives uint8[n, height, width] corrupted at a strength, in its kind's own unit."""

_SEED = 0
_SIGMAS = 3  # how many standard deviations the blur's kernel reaches
_DIRECTIONS = np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)])


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption."""

    name: str
    unit: str
    """How a strength is written, as a format: `{:g} px`."""
    strengths: tuple[float, float, float]
    """From mild to hard."""
    corrupt: Corrupt
    is_trained_for: Callable[[Augmentation], bool] = lambda _: False
    """Whether training with this augmentation alters its images in a like way."""

    def apply(self, images: Images, level: int) -> Images:
        """Corrupt uint8[n, height, width] at `level`, 0 to 2; the same images come out the same every time."""
        return self.corrupt(images, self.strengths[level], np.random.default_rng((_SEED, level)))

    def describe(self, level: int) -> str:
        """Write the strength of a level with its unit."""
        return self.unit.format(self.strengths[level])


def add_noise(images: Images, sigma: float, rng: np.random.Generator) -> Images:
    """Add normal noise of a standard deviation of `sigma` grey levels to each pixel."""
    return _to_pixels(images + rng.normal(0, sigma, images.shape))


def blur(images: Images, sigma: float, _: np.random.Generator) -> Images:
    """Blur by a Gaussian of a standard deviation of `sigma` pixels; beyond the edge, the edge goes on."""
    reach = max(1, round(_SIGMAS * sigma))
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    padded = np.pad(images.astype(np.float64), ((0, 0), (reach, reach), (reach, reach)), mode="edge")
    for axis in (1, 2):
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=axis)
        padded = windows @ weights
    return _to_pixels(padded)


def brighten(images: Images, amount: float, _: np.random.Generator) -> Images:
    """Make every pixel brighter by `amount` grey levels, the background too."""
    return _to_pixels(images.astype(np.float64) + amount)


def lower_contrast(images: Images, share: float, _: np.random.Generator) -> Images:
    """Bring every pixel nearer to the image's mean, so that `share` of its distance is left."""
    means = images.mean(axis=(1, 2), keepdims=True)
    return _to_pixels(means + (images - means) * share)


def shift(images: Images, pixels: float, rng: np.random.Generator) -> Images:
    """Move each image by whole pixels in one of the eight directions, drawn at random; black moves in."""
    count, height, width = images.shape
    reach = int(pixels)
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
    moves = reach + reach * _DIRECTIONS[rng.integers(0, len(_DIRECTIONS), count)]
    shifted: Images = windows[np.arange(count), moves[:, 0], moves[:, 1]]
    return shifted


def rotate(images: Images, degrees: float, rng: np.random.Generator) -> Images:
    """Turn each image by `degrees` to the left or to the right, drawn at random, around its middle."""
    angles = degrees * rng.choice((-1, 1), len(images))
    return np.stack(
        [
            np.asarray(Image.fromarray(image).rotate(angle, Image.Resampling.BILINEAR))
            for image, angle in zip(images, angles.tolist(), strict=True)
        ]
    )


def scale(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Enlarge or shrink each image about its middle, drawn at random: to 1 + `share` of its size, or to 1 over that."""
    factors = (1 + share) ** rng.choice((-1, 1), len(images))
    return np.stack([_scale_one(image, factor) for image, factor in zip(images, factors.tolist(), strict=True)])


def _scale_one(image: Images, factor: float) -> Images:
    height, width = image.shape
    y, x = height / 2, width / 2
    backwards = (1 / factor, 0, x - x / factor, 0, 1 / factor, y - y / factor)
    scaled = Image.fromarray(image).transform(
        (width, height), Image.Transform.AFFINE, backwards, Image.Resampling.BILINEAR
    )
    return np.asarray(scaled)


def compress_jpeg(images: Images, quality: float, _: np.random.Generator) -> Images:
    """Write and read each image as JPEG of a quality from 1 to 95, as Pillow counts it."""
    return np.stack([_compress_one(image, int(quality)) for image in images])


def _compress_one(image: Images, quality: int) -> Images:
    content = io.BytesIO()
    Image.fromarray(image).save(content, "JPEG", quality=quality)
    return np.asarray(Image.open(content))


def occlude(images: Images, share: float, rng: np.random.Generator) -> Images:
    """Lay a grey rectangle of `share` of the height and width over a random place of each image."""
    count, height, width = images.shape
    rows, columns = round(height * share), round(width * share)
    drawn: list[list[int]] = rng.integers(0, (height - rows + 1, width - columns + 1, 256), (count, 3)).tolist()
    occluded = images.copy()
    for image, (top, left, grey) in zip(occluded, drawn, strict=True):
        image[top : top + rows, left : left + columns] = grey
    return occluded


def _to_pixels(values: npt.NDArray[np.float64]) -> Images:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


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
"""By name. Greys are of 0 to 255."""
