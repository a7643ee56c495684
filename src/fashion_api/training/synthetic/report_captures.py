"""Poor pictures of kinds that training never shows, for the report on robustness."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fashion_api.training.synthetic.captures import Capture, Pixels, sample

_STEPS = 7  # places along a motion that are averaged


def blur_by_motion(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur along a line of 2 to 4 pixels in any direction."""
    y, x = _make_grid(images)
    angles, lengths = rng.uniform(0, np.pi, (len(images), 1, 1)), rng.uniform(2, 4, (len(images), 1, 1))
    down, right = np.sin(angles) * lengths, np.cos(angles) * lengths
    places = np.linspace(-0.5, 0.5, _STEPS)
    blurred: Pixels = np.mean([sample(images, y + share * down, x + share * right) for share in places], axis=0)
    return blurred


def defocus(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Average over a disc of a radius of 1 to 1.5 pixels, as a lens out of focus does."""
    y, x = _make_grid(images)
    radii = rng.uniform(1, 1.5, (len(images), 1, 1))
    rings = [(0.0, 0.0), *((r, a) for r in (0.5, 0.9) for a in np.linspace(0, 2 * np.pi, 8, endpoint=False))]
    blurred: Pixels = np.mean(
        [sample(images, y + radii * r * np.sin(a), x + radii * r * np.cos(a)) for r, a in rings], axis=0
    )
    return blurred


def add_shot_noise(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Count photons: Poisson noise, where white is 40 to 120 of them and black one to three."""
    white = rng.uniform(40, 120, (len(images), 1, 1))
    dark = rng.uniform(1, 3, (len(images), 1, 1))
    return (rng.poisson(images / 255 * white + dark) / white * 255).astype(np.float32)


def add_impulses(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Set 1 to 4 % of the pixels to black or white."""
    hit = rng.random(images.shape) < rng.uniform(0.01, 0.04, (len(images), 1, 1))
    return np.where(hit, rng.choice((0, 255), images.shape), images).astype(np.float32)


def vignette(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Darken towards the corners, to 0.3 to 0.6, on a grey background of 10 to 40."""
    y, x = _make_grid(images)
    height, width = images.shape[1:]
    distance = ((2 * y / max(height - 1, 1) - 1) ** 2 + (2 * x / max(width - 1, 1) - 1) ** 2) / 2
    grey = rng.uniform(10, 40, (len(images), 1, 1))
    light = 1 - rng.uniform(0.4, 0.7, (len(images), 1, 1)) * distance
    lit: Pixels = (np.maximum(images, grey) * light).astype(np.float32)
    return lit


def tilt(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Tilt the plane of the picture, so that one side is up to 30 % larger than the other."""
    height, width = images.shape[1:]
    y, x = _make_grid(images)
    v, u = y - (height - 1) / 2, x - (width - 1) / 2
    signs = rng.choice((-1, 1), (len(images), 2, 1, 1))
    slopes = signs * rng.uniform(0.08, 0.26, (len(images), 2, 1, 1)) / height
    depth = 1 + slopes[:, 0] * v + slopes[:, 1] * u
    return sample(images, v / depth + (height - 1) / 2, u / depth + (width - 1) / 2)


def shear(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Lean to one side, by 0.1 to 0.25 of a pixel a row."""
    height = images.shape[1]
    y, x = _make_grid(images)
    lean = rng.choice((-1, 1), (len(images), 1, 1)) * rng.uniform(0.1, 0.25, (len(images), 1, 1))
    return sample(images, np.broadcast_to(y, images.shape), x + lean * (y - (height - 1) / 2))


def posterise(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Round to four to eight greys."""
    steps = rng.integers(3, 8, (len(images), 1, 1)).astype(np.float32)
    return (np.rint(images / 255 * steps) / steps * 255).astype(np.float32)


def add_glare(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Add a soft bright spot of a standard deviation of a sixth to a third of the size, anywhere."""
    height, width = images.shape[1:]
    y, x = _make_grid(images)
    places = rng.uniform(0, 1, (len(images), 2, 1, 1))
    spread = rng.uniform(1 / 6, 1 / 3, (len(images), 1, 1)) * max(height, width)
    distance = (y - places[:, 0] * height) ** 2 + (x - places[:, 1] * width) ** 2
    spot = rng.uniform(40, 100, (len(images), 1, 1)) * np.exp(-distance / (2 * spread**2))
    lit: Pixels = (images + spot).astype(np.float32)
    return lit


def interlace(images: Pixels, rng: np.random.Generator) -> Pixels:
    """Darken every other row to 0.6 to 0.85."""
    lit = images.copy()
    lit[:, 1::2] *= rng.uniform(0.6, 0.85, (len(images), 1, 1)).astype(np.float32)
    return lit


REPORT_CAPTURES: Mapping[str, Capture] = MappingProxyType(
    {
        "motion blur": blur_by_motion,
        "defocus": defocus,
        "shot noise": add_shot_noise,
        "impulse noise": add_impulses,
        "vignette": vignette,
        "tilted plane": tilt,
        "sheared": shear,
        "few greys": posterise,
        "glare": add_glare,
        "interlaced": interlace,
    }
)
"""The kinds that only the report uses; training shows none of them."""


def _make_grid(images: Pixels) -> tuple[Pixels, Pixels]:
    """Give the row and the column of each pixel: float32[height, width] each."""
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]].astype(np.float32)
    return rows, columns
