"""The out-of-distribution images of the novelty report; neither training nor the choice of a method uses these images.

Training shows outliers of the kinds in `MET`, drawn from other articles. Some kinds are hard cases on purpose: blends
and joined parts of two articles resemble articles.
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.data.idx import parse_idx
from fashion_api.errors import DataError
from fashion_api.images import Images
from fashion_api.training.arrays import Labels
from fashion_api.training.synthetic.alterations import REPORT_ALTERATIONS
from fashion_api.training.synthetic.outliers import REPORT_FONTS, draw_glyph, draw_outliers
from fashion_api.training.synthetic.pixels import to_pixels
from fashion_api.training.synthetic.silhouettes import REPORT_SILHOUETTES

DIGITS = "MNIST digits"
MET = frozenset(
    {
        "uniform noise",
        "Gaussian noise",
        "constant",
        "inverted",
        "upside down",
        "turned by 90°",
        "turned by 180°",
        "turned by 270°",
        "transposed",
        "upper and lower halves",
        "plain bands",
    }
)
"""The kinds of which a training with `outlier_mixture.py` shows the like."""
TURNED = frozenset(("upside down", "turned by 90°", "turned by 180°", "turned by 270°", "transposed", "turned aslant"))
"""The kinds of whole articles that do not stand upright."""
DRAWN_IMAGES = 2000
"""How many images are drawn of each synthetic kind."""
_BAND_GREYS = (80, 140, 200, 255)
_BAND_COLOURS = ((200, 60, 60), (60, 160, 60), (60, 80, 200), (255, 255, 255))
_SEED = 20_170_825  # no other set of images is drawn from it


def make_out_of_distribution(
    articles: Images, labels: Labels, *, digits: Images | None, drawn: int = DRAWN_IMAGES, with_turned: bool = True
) -> dict[str, Images]:
    """Give the images of each kind, by name: of the articles' size, and in colour where the articles are.

    Args:
        articles: uint8[n, height, width] or uint8[n, height, width, 3], the test images.
        labels: [n], their classes.
        digits: MNIST's test digits; `None` if they are not available.
        drawn: how many to draw of each synthetic kind.
        with_turned: whether articles that are turned count; of many data sets, they may be of a class.
    """
    rng = np.random.default_rng(_SEED)
    kinds = {
        "letters": draw_outliers(draw_glyph(REPORT_FONTS), drawn, articles=articles, rng=rng),
        "uniform noise": rng.integers(0, 256, (drawn, *articles.shape[1:]), dtype=np.uint8),
        "Gaussian noise": draw_normal_noise(articles.shape[1:], drawn, rng),
        "constant": draw_constants(articles.shape[1:]),
        "inverted": 255 - articles,
        "upside down": articles[:, ::-1],
        "blends of two": blend_pairs(articles, labels, drawn, rng),
        **turn(articles),
        "upper and lower halves": join_halves(articles, labels, rng),
        "plain bands": draw_plain_bands(articles.shape[1:]),
        **{
            name: draw_outliers(draw, drawn, articles=articles, rng=rng)
            for name, draw in {**REPORT_ALTERATIONS, **REPORT_SILHOUETTES}.items()
        },
    }
    if not with_turned:
        kinds = {name: images for name, images in kinds.items() if name not in TURNED}
    return kinds if digits is None else {DIGITS: digits} | kinds


def turn(articles: Images) -> dict[str, Images]:
    """Give the articles turned by 180° and, if they are square, by 90° and 270° and transposed."""
    turned = {"turned by 180°": articles[:, ::-1, ::-1]}
    if articles.shape[1] == articles.shape[2]:
        turned |= {
            "turned by 90°": np.rot90(articles, 1, axes=(1, 2)),
            "turned by 270°": np.rot90(articles, 3, axes=(1, 2)),
            "transposed": articles.swapaxes(1, 2),
        }
    return turned


def join_halves(articles: Images, labels: Labels, rng: np.random.Generator) -> Images:
    """Join the upper half of each article and the lower half of one of another class."""
    lower = articles[_draw_others(labels, np.arange(len(labels)), rng)]
    half = articles.shape[1] // 2
    return np.concatenate((articles[:, :half], lower[:, half:]), axis=1)


def draw_constants(shape: tuple[int, ...]) -> Images:
    """Draw each of the 256 greys or, in colour, as many colours: uint8[256, *shape]."""
    levels = np.arange(256, dtype=np.uint8)
    if len(shape) > 2:  # noqa: PLR2004  # with channels
        levels = levels[:, np.newaxis] * np.array((1, 7, 31), np.uint8)  # modulo 256, and so all different
    return np.broadcast_to(levels.reshape(256, 1, 1, *levels.shape[1:]), (256, *shape))


def draw_plain_bands(shape: tuple[int, ...]) -> Images:
    """Draw every band of three sevenths of the rows or columns (12 of 28), in four greys or colours."""
    bands = []
    for grey in _BAND_GREYS if len(shape) == 2 else _BAND_COLOURS:  # noqa: PLR2004  # without channels
        for axis, size in enumerate(shape[:2]):
            thickness = max(1, size * 3 // 7)
            for start in range(size - thickness + 1):
                band = np.zeros(shape, np.uint8)
                band.swapaxes(0, axis)[start : start + thickness] = grey
                bands.append(band)
    return np.stack(bands)


def draw_normal_noise(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> Images:
    """Draw independent pixels around a middle grey, with a standard deviation of a quarter of the range."""
    return to_pixels(rng.normal(127.5, 64, (count, *shape)))


def blend_pairs(articles: Images, labels: Labels, count: int, rng: np.random.Generator) -> Images:
    """Average two articles of different classes, `count` times."""
    first = rng.integers(0, len(articles), count)
    second = _draw_others(labels, first, rng)
    blends: Images = ((articles[first].astype(np.uint16) + articles[second] + 1) // 2).astype(np.uint8)
    return blends


def _draw_others(labels: Labels, indices: Labels, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Draw, for each index, the index of an image of another class; of any image, where there is one class alone."""
    classes = np.unique(labels)
    others = {int(label): np.flatnonzero((labels != label) | (len(classes) == 1)) for label in classes}
    return np.array([rng.choice(others[int(labels[index])]) for index in indices])


def load_digits(path: Path | None, shape: tuple[int, ...]) -> Images | None:
    """Read images in the IDX format, compressed by gzip or not: uint8[n, *shape]; `None` for no path.

    Raises:
        DataError: the file cannot be read, is no IDX file of images, or its images are not of this shape.
    """
    if path is None:
        return None
    try:
        stored = path.read_bytes()
        content = gzip.decompress(stored) if path.suffix == ".gz" else stored
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"FASHION_DIGITS_FILE: {path} cannot be read: {error}") from error
    digits = parse_idx(content, dimensions=3, name=f"FASHION_DIGITS_FILE: {path}")
    height, width, *channels = shape
    if digits.shape[1:] != (height, width) or not len(digits):
        found = "×".join(map(str, digits.shape))
        raise DataError(f"FASHION_DIGITS_FILE: {path} holds {found} pixels, not images of {height}×{width}")
    return np.stack([digits] * 3, axis=-1) if channels else digits
