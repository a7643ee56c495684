"""Articles turned, cut and joined, so that they show no article any more: outliers for training and for the report.

Each family draws one image from some articles, grey or in colour as they are, like those of `outliers.py`.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from PIL import Image

from fashion_api.images import Images
from fashion_api.training.synthetic.outliers import Draw, toss

_CANDIDATES = 3  # of which the one that fits worst is joined
_JITTER = 8  # degrees


def draw_turned(rng: np.random.Generator, articles: Images) -> Images:
    """Turn an article by 90°, 180° or 270°, flip it upside down or transpose it; at times by a few degrees more."""
    article = _take(rng, articles)
    kind = int(rng.integers(5))
    turned = (_transpose(article), *(np.rot90(article, quarters) for quarters in (1, 2, 3)), article[::-1])[kind]
    if toss(rng, 0.3):
        turned = _rotate(turned, rng.uniform(-_JITTER, _JITTER))
    return _fit(turned, article.shape[:2])


def draw_halved(rng: np.random.Generator, articles: Images) -> Images:
    """Keep about one half of an article (upper, lower, left or right): in place, moved or enlarged."""
    article = _take(rng, articles)
    height, width = article.shape[:2]
    is_upright = toss(rng)
    whole = article if is_upright else _transpose(article)
    cut = _draw_cut(rng, len(whole))
    half = whole[:cut] if toss(rng) else whole[cut:]
    if toss(rng, 0.3):
        return _fit(half if is_upright else _transpose(half), (height, width))
    halved = np.zeros_like(whole)
    top = int(rng.choice((0, len(whole) - len(half), (len(whole) - len(half)) // 2)))
    halved[top : top + len(half)] = half
    return halved if is_upright else _transpose(halved)


def draw_joined(rng: np.random.Generator, articles: Images) -> Images:
    """Join the upper part of one article and the lower part of another, of three the one that fits worst."""
    upper, lower = _take_misfits(rng, articles)
    cut = _draw_cut(rng, len(upper))
    return np.concatenate((upper[:cut], lower[cut:]))


def draw_paired(rng: np.random.Generator, articles: Images) -> Images:
    """Put two articles beside or above each other, squeezed into the image or each at half its size."""
    height, width = articles.shape[1:3]
    first, second = _take(rng, articles), _take(rng, articles)
    is_beside = toss(rng)
    across = (width if is_beside else height) // 2
    along = (height if is_beside else width) if toss(rng) else across
    shape = (along, across) if is_beside else (across, along)
    paired: Images = np.zeros(articles.shape[1:], np.uint8)
    for number, article in enumerate((first, second)):
        part = _fit(article, (max(1, shape[0]), max(1, shape[1])))
        top = (height - part.shape[0]) // 2 if is_beside else number * (height - part.shape[0])
        left = number * (width - part.shape[1]) if is_beside else (width - part.shape[1]) // 2
        paired[top : top + part.shape[0], left : left + part.shape[1]] = part
    return paired


def draw_laid_over(rng: np.random.Generator, articles: Images) -> Images:
    """Lay a turned article over an upright one: each pixel is the lighter of the two."""
    article, other = _take(rng, articles), _take(rng, articles)
    return np.maximum(article, _fit(np.rot90(other, int(rng.integers(1, 4))), article.shape[:2]))


def draw_inverted(rng: np.random.Generator, articles: Images) -> Images:
    """Exchange black and white in an article."""
    return 255 - _take(rng, articles)


TRAINING_ALTERATIONS: Mapping[str, Draw] = MappingProxyType(
    {
        "turned": draw_turned,
        "halved": draw_halved,
        "joined": draw_joined,
        "paired": draw_paired,
        "laid over": draw_laid_over,
        "inverted": draw_inverted,
    }
)
"""The altered articles that training shows as outliers."""


def draw_turned_aslant(rng: np.random.Generator, articles: Images) -> Images:
    """Turn an article by 45° to 65° or by 115° to 155°, to either side, shrunk so that it fits."""
    article = _take(rng, articles)
    height, width = article.shape[:2]
    small = Image.fromarray(article).resize((max(1, width * 3 // 4), max(1, height * 3 // 4)), Image.Resampling.BOX)
    canvas = Image.new(small.mode, (width, height))
    canvas.paste(small, ((width - small.width) // 2, (height - small.height) // 2))
    low, high = ((45, 65), (115, 155))[int(rng.integers(2))]
    return _rotate(np.asarray(canvas), float(rng.choice((-1, 1)) * rng.uniform(low, high)))


def draw_side_by_side(rng: np.random.Generator, articles: Images) -> Images:
    """Join the left half of one article and the right half of another, of three the one that fits worst."""
    left, right = (_transpose(article) for article in _take_misfits(rng, articles.swapaxes(1, 2)))
    half = left.shape[1] // 2
    return np.concatenate((left[:, :half], right[:, half:]), axis=1)


def draw_diagonal(rng: np.random.Generator, articles: Images) -> Images:
    """Join two articles along a diagonal."""
    first, second = _take_misfits(rng, articles)
    height, width = first.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    columns = columns if toss(rng) else width - 1 - columns
    is_first = rows * width < columns * height
    return np.where(is_first.reshape(*is_first.shape, *(1 for _ in first.shape[2:])), first, second)


def draw_quarters(rng: np.random.Generator, articles: Images) -> Images:
    """Join a quarter of each of four articles, each in its place."""
    quartered = _take(rng, articles).copy()
    height, width = quartered.shape[:2]
    for part in (
        np.s_[: height // 2, width // 2 :],
        np.s_[height // 2 :, : width // 2],
        np.s_[height // 2 :, width // 2 :],
    ):
        quartered[part] = _take(rng, articles)[part]
    return quartered


REPORT_ALTERATIONS: Mapping[str, Draw] = MappingProxyType(
    {
        "turned aslant": draw_turned_aslant,
        "left and right halves": draw_side_by_side,
        "diagonal halves": draw_diagonal,
        "quarters": draw_quarters,
    }
)
"""The altered articles that only the report uses."""


def _take(rng: np.random.Generator, articles: Images) -> Images:
    """Take an article, or its mirror image."""
    article: Images = articles[rng.integers(len(articles))]
    return article if toss(rng) else article[:, ::-1]


def _take_misfits(rng: np.random.Generator, articles: Images) -> tuple[Images, Images]:
    """Take two articles whose middle rows differ, as two that fit may well show an article when joined."""
    first = _take(rng, articles)
    others = [_take(rng, articles) for _ in range(_CANDIDATES)]
    row = len(first) // 2
    return first, max(others, key=lambda other: float(np.abs(other[row].astype(int) - first[row]).sum()))


def _draw_cut(rng: np.random.Generator, size: int) -> int:
    """Draw where to cut `size` rows in two, near the middle."""
    return min(max(1, round(size * rng.uniform(0.35, 0.65))), max(1, size - 1))


def _rotate(image: Images, degrees: float) -> Images:
    turned = Image.fromarray(np.ascontiguousarray(image)).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)


def _transpose(image: Images) -> Images:
    """Exchange the rows and the columns of an image."""
    return image.swapaxes(0, 1)


def _fit(image: Images, size: tuple[int, ...]) -> Images:
    """Stretch an image to a height and width; one without pixels becomes black."""
    if image.shape[:2] == size:
        return image
    if not image.size:
        return np.zeros((*size, *image.shape[2:]), np.uint8)
    stretched = Image.fromarray(np.ascontiguousarray(image)).resize((size[1], size[0]), Image.Resampling.BOX)
    return np.asarray(stretched)
