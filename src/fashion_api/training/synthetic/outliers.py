"""Synthetic outliers: drawn images that show no article, for outlier exposure and for choosing a novelty method.

Nothing is taken from another data set. Each family is a function that draws one image of the articles' size: light on
black, as Fashion-MNIST's are, or in colours where the articles are in colour. Families and fonts are divided into those
for training, those for choosing a method, and those for the report.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, wraps
from pathlib import Path
from types import MappingProxyType

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from fashion_api.images import Images
from fashion_api.training.synthetic.pixels import is_coloured, to_grey, to_pixels

Draw = Callable[[np.random.Generator, Images], Images]
"""Draws one image of the size and the channels of the articles given; it may use their pixels."""

TRAINING_FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "cmmi10",
)
CHOOSING_FONTS = ("DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSerif-Bold", "cmss10")
REPORT_FONTS = ("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta", "cmr10", "cmtt10")
"""Fonts that come with matplotlib, and so are the same everywhere."""

_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SUPERSAMPLING = 3
_LENT = 4  # articles whose pixels a drawing in colour may use
_GREY, _SEPARATE = 0.25, 0.25  # shares of the drawings in colour
_ON_BLACK = 0.3  # of those in two colours


def draw_outliers(draw: Draw, count: int, *, articles: Images, rng: np.random.Generator) -> Images:
    """Draw `count` outliers of one family, of the size and the channels of `articles`."""
    outliers = np.empty((count, *articles.shape[1:]), np.uint8)
    for index in range(count):
        outliers[index] = draw(rng, articles)
    return outliers


def toss(rng: np.random.Generator, share: float = 0.5) -> bool:
    """Decide at random, with a probability of `share`."""
    return bool(rng.random() < share)


def in_colours(draw: Draw) -> Draw:
    """Make a family of grey drawings draw in colours for articles in colour; for grey ones it is as it was.

    In half of the images, black and white are two other colours. A quarter is grey, so that grey is no sign of an
    outlier, nor colour one of an article; in a quarter, each channel is a drawing of its own.
    """

    @wraps(draw)
    def draw_like(rng: np.random.Generator, articles: Images) -> Images:
        if not is_coloured(articles):
            return draw(rng, articles)
        grey_articles = to_grey(articles[rng.integers(len(articles), size=_LENT)])
        first, share = draw(rng, grey_articles), rng.random()
        if share < _GREY:
            return np.stack([first] * 3, axis=-1)
        if share < _GREY + _SEPARATE:
            return np.stack([first, *(draw(rng, grey_articles) for _ in range(2))], axis=-1)
        black = np.zeros(3) if toss(rng, _ON_BLACK) else rng.uniform(0, 256, 3)
        return to_pixels(black + (rng.uniform(0, 256, 3) - black) * (first[..., np.newaxis] / 255))

    return draw_like


def open_canvas(
    articles: Images, *, background: int = 0
) -> tuple[Image.Image, ImageDraw.ImageDraw, npt.NDArray[np.float64]]:
    """Open a canvas, larger than an image: it, a pen for it, and its width and height."""
    height, width = articles.shape[1:]
    canvas = Image.new("L", (width * _SUPERSAMPLING, height * _SUPERSAMPLING), background)
    return canvas, ImageDraw.Draw(canvas), np.array(canvas.size, np.float64)


def close_canvas(canvas: Image.Image, articles: Images) -> Images:
    """Give the canvas in the size of an image."""
    height, width = articles.shape[1:]
    return np.asarray(canvas.resize((width, height), Image.Resampling.BOX))


def draw_glyph(fonts: Sequence[str]) -> Draw:
    """Make a family of glyphs: a letter or digit of one of the fonts, of random size, place, slant and brightness."""

    @in_colours
    def draw(rng: np.random.Generator, articles: Images) -> Images:
        canvas, pen, size = open_canvas(articles)
        name = fonts[int(rng.integers(len(fonts)))]
        font = load_font(name, int(size.max() * rng.choice((0.6, 0.7, 0.8, 0.9, 1.0, 1.1))))
        character = _CHARACTERS[rng.integers(len(_CHARACTERS))]
        place = (canvas.width * rng.uniform(0.4, 0.6), canvas.height * rng.uniform(0.4, 0.6))
        pen.text(
            place,
            character,
            fill=int(rng.integers(120, 256)),
            font=font,
            anchor="mm",
            stroke_width=int(rng.integers(0, 3)),
        )
        return close_canvas(canvas.rotate(rng.normal(0, 12), Image.Resampling.BILINEAR), articles)

    return draw


@cache
def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Load one of matplotlib's fonts, of a size in pixels."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", f"{name}.ttf"), max(size, 4))


@in_colours
def draw_strokes(rng: np.random.Generator, articles: Images) -> Images:
    """Draw one to five pen strokes: Bézier curves of random width."""
    canvas, pen, size = open_canvas(articles)
    t = np.linspace(0, 1, 24)[:, None]
    for _ in range(rng.integers(1, 6)):
        a, b, c, d = rng.uniform(0.12, 0.88, (4, 2)) * size
        curve = (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t**2 * c + t**3 * d
        pen.line(
            [tuple(point) for point in curve.tolist()],
            fill=int(rng.integers(140, 256)),
            width=int(rng.integers(2, 10)),
            joint="curve",
        )
    return close_canvas(canvas, articles)


@in_colours
def draw_shapes(rng: np.random.Generator, articles: Images) -> Images:
    """Draw one to four lines, ellipses, rectangles and triangles, filled or not."""
    canvas, pen, size = open_canvas(articles, background=int(rng.choice((0, 0, int(rng.integers(256))))))
    for _ in range(rng.integers(1, 5)):
        points = rng.uniform(0, 1, (3, 2)) * size
        box = [*np.minimum(points[0], points[1]).tolist(), *np.maximum(points[0], points[1]).tolist()]
        grey, line = int(rng.integers(256)), int(rng.integers(1, 9))
        fill = grey if toss(rng) else None
        corners = [tuple(point) for point in points.tolist()]
        draw = (
            lambda box=box, fill=fill, grey=grey, line=line: pen.ellipse(box, fill, grey, line),
            lambda box=box, fill=fill, grey=grey, line=line: pen.rectangle(box, fill, grey, line),
            lambda corners=corners, fill=fill, grey=grey: pen.polygon(corners, fill, grey),
            lambda corners=corners, grey=grey, line=line: pen.line(corners, grey, line),
        )
        draw[rng.integers(len(draw))]()
    return close_canvas(canvas, articles)


@in_colours
def draw_noise(rng: np.random.Generator, articles: Images) -> Images:
    """Draw independent pixels: uniform, normal, or black and white."""
    shape = articles.shape[1:]
    kinds: tuple[Callable[[], npt.NDArray[np.float64]], ...] = (
        lambda: rng.uniform(0, 256, shape),
        lambda: rng.normal(rng.uniform(0, 255), rng.uniform(10, 120), shape),
        lambda: np.float64(255) * (rng.random(shape) < rng.uniform(0.02, 0.98)),
    )
    return to_pixels(kinds[int(rng.integers(len(kinds)))]())


@in_colours
def draw_clouds(rng: np.random.Generator, articles: Images) -> Images:
    """Draw smooth noise: noise of low frequencies, stretched over the range of the pixels."""
    height, width = articles.shape[1:]
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    spectrum = np.fft.rfft2(rng.normal(size=(height, width)))
    spectrum /= np.maximum(frequencies, 1 / width) ** rng.uniform(0.7, 2.5)
    field = np.fft.irfft2(spectrum, (height, width))
    low, high = field.min(), field.max()
    return to_pixels((field - low) / max(high - low, 1e-9) * 255 * rng.uniform(0.3, 1))


@in_colours
def draw_constant(rng: np.random.Generator, articles: Images) -> Images:
    """Draw one grey, or a ramp between two, with little noise or none."""
    height, width = articles.shape[1:]
    rows, columns = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)
    slopes = rng.normal(0, 80, 2) * toss(rng)
    field = rng.uniform(0, 255) + slopes[0] * rows + slopes[1] * columns
    return to_pixels(field + rng.normal(0, rng.choice((0, 0, 4)), (height, width)))


def draw_shuffled(rng: np.random.Generator, articles: Images) -> Images:
    """Cut an article into four, sixteen or 49 patches, in a random order."""
    article = articles[rng.integers(len(articles))]
    rows = columns = int(rng.choice((2, 4, 7)))
    height, width, *channels = article.shape
    patch_height, patch_width = height // rows, width // columns
    if not patch_height or not patch_width:
        return draw_noise(rng, articles)
    whole = article[: rows * patch_height, : columns * patch_width]
    grid = whole.reshape(rows, patch_height, columns, patch_width, *channels).swapaxes(1, 2)
    mixed = rng.permutation(grid.reshape(-1, patch_height, patch_width, *channels)).reshape(grid.shape).swapaxes(1, 2)
    shuffled: Images = np.zeros_like(article)
    shuffled[: rows * patch_height, : columns * patch_width] = mixed.reshape(whole.shape)
    return shuffled


def draw_crop(rng: np.random.Generator, articles: Images) -> Images:
    """Enlarge a part of an article, of 0.2 to 0.4 of its height and width, to the whole image: a texture."""
    article = articles[rng.integers(len(articles))]
    height, width = article.shape[:2]
    share = rng.uniform(0.2, 0.4)
    rows, columns = max(1, int(height * share)), max(1, int(width * share))
    top, left = rng.integers(height // 4, height - height // 4), rng.integers(width // 4, width - width // 4)
    crop = article[min(top, height - rows) :, min(left, width - columns) :][:rows, :columns]
    return np.asarray(Image.fromarray(crop).resize((width, height), Image.Resampling.BICUBIC))


TRAINING_FAMILIES: Mapping[str, Draw] = MappingProxyType(
    {
        "glyphs": draw_glyph(TRAINING_FONTS),
        "strokes": draw_strokes,
        "shapes": draw_shapes,
        "noise": draw_noise,
        "clouds": draw_clouds,
        "constant": draw_constant,
        "shuffled": draw_shuffled,
        "crops": draw_crop,
    }
)
"""The outliers that training uses."""


@in_colours
def draw_stripes(rng: np.random.Generator, articles: Images) -> Images:
    """Draw parallel stripes of any direction and width, hard or soft, or the product of two such patterns."""
    rows, columns = _make_grid(articles)
    field = np.ones_like(rows)
    for _ in range(rng.integers(1, 3)):
        angle, period = rng.uniform(0, np.pi), rng.uniform(3, 14)
        wave = np.sin(2 * np.pi * (rows * np.sin(angle) + columns * np.cos(angle)) / period + rng.uniform(0, 2 * np.pi))
        field = field * (wave if toss(rng) else np.sign(wave))
    return to_pixels((field + 1) / 2 * rng.uniform(80, 255))


@in_colours
def draw_spiral(rng: np.random.Generator, articles: Images) -> Images:
    """Draw rings, or a spiral of up to three arms, around a point near the middle."""
    rows, columns = _make_grid(articles)
    height, width = rows.shape
    y, x = rows - height * rng.uniform(0.35, 0.65), columns - width * rng.uniform(0.35, 0.65)
    phase = 2 * np.pi * np.hypot(x, y) / rng.uniform(4, 12) + rng.integers(0, 4) * np.arctan2(y, x)
    return to_pixels((np.cos(phase) > rng.uniform(-0.6, 0.6)) * rng.uniform(80, 255))


@in_colours
def draw_blots(rng: np.random.Generator, articles: Images) -> Images:
    """Draw two to eight soft round blots, each of its own size and brightness."""
    rows, columns = _make_grid(articles)
    height, width = rows.shape
    field = np.zeros_like(rows)
    for _ in range(rng.integers(2, 9)):
        y, x, radius = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0.04, 0.2) * max(height, width)
        field += rng.uniform(60, 255) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * radius**2))
    return to_pixels(field)


def draw_tiles(rng: np.random.Generator, articles: Images) -> Images:
    """Shrink an article and repeat it, four or nine times."""
    article = articles[int(rng.integers(len(articles)))]
    height, width, *channels = article.shape
    times = int(rng.choice((2, 3)))
    rows, columns = max(1, -(-height // times)), max(1, -(-width // times))
    small = np.asarray(Image.fromarray(article).resize((columns, rows), Image.Resampling.BOX))
    return np.tile(small, (times, times, *(1 for _ in channels)))[:height, :width]


CHOOSING_FAMILIES: Mapping[str, Draw] = MappingProxyType(
    {
        "serif glyphs": draw_glyph(CHOOSING_FONTS),
        "stripes": draw_stripes,
        "spirals": draw_spiral,
        "blots": draw_blots,
        "tiles": draw_tiles,
    }
)
"""The outliers that a novelty method is chosen on; training uses none of them."""


def _make_grid(articles: Images) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give each pixel's row and column: float64[height, width] each."""
    rows, columns = np.mgrid[: articles.shape[1], : articles.shape[2]].astype(np.float64)
    return rows, columns
