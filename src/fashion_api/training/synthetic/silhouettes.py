"""Shapes and signs with a texture, bands and cut-outs: outliers for training and for the report.

Each family draws one image, like those of `outliers.py`: a shape, as a mask of
float64[height, width] in 0–1, filled with a texture.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image

from fashion_api.images import Images
from fashion_api.training.synthetic.outliers import Draw, close_canvas, in_colours, load_font, open_canvas, toss
from fashion_api.training.synthetic.pixels import to_pixels

Field = npt.NDArray[np.float64]

_SPOT = 0.3  # mean radius of a spot in a scene, as a share of the image
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZabdeghkmnpqrstuwxyz023456789&@#%$?!"
_LETTER_FONTS = ("DejaVuSans-Bold", "DejaVuSansMono-Bold", "DejaVuSans")
_ARROWS = "".join(map(chr, (*range(0x2190, 0x2196), *range(0x21E6, 0x21EB), *range(0x25A0, 0x25FF))))
"""Arrows and geometric signs of DejaVu Sans, which training shows."""
ICONS = (
    "☀☁☂☃★☎☔☘☠☢☣☤☭☮☯☸☹☺☻☼☾♀♂♔♕♖♗♘♙♛♜♝♞♠♣♥♦♨♪♫♲♻♿⚀⚃⚅⚐⚑⚒⚓⚔⚖⚗⚘⚙⚛⚜⚠"
    "⚡✁✂✆✇✈✉✌✍✎✏✒✓✔✖✗✘✙✚✜✝✞✠✡✣✥✦✪✯✲✵✶✹✻✽✿❀❁❂❄❆❈❖❡❢❣❤❥❦❧➔➘➠➤➥➦➩➲➽"
)
"""Signs of DejaVu Sans that only the report uses."""


@in_colours
def draw_silhouette(rng: np.random.Generator, articles: Images) -> Images:
    """Draw one to three polygons and ellipses as one shape with a texture; half of the shapes are symmetrical."""
    canvas, pen, size = open_canvas(articles)
    for _ in range(rng.integers(1, 4)):
        if toss(rng, 0.35):
            box = np.sort(rng.uniform(0.02, 0.98, (2, 2)), axis=0) * size
            pen.ellipse([*box[0].tolist(), *box[1].tolist()], 255)
        else:
            pen.polygon([tuple(point) for point in (_draw_corners(rng) * size).tolist()], 255)
    mask = close_canvas(canvas, articles) / 255
    if toss(rng):
        mask = np.maximum(mask, mask[:, ::-1])
    return _fill(mask, draw_texture(rng, articles), rng)


def _draw_corners(rng: np.random.Generator) -> Field:
    """Draw the corners of a polygon around a point near the middle: float64[n, 2] in shares of the size."""
    count = int(rng.integers(3, 11))
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    radii = rng.uniform(0.08, 0.5, count)
    corners: Field = rng.uniform(0.35, 0.65, 2) + radii[:, None] * np.stack((np.cos(angles), np.sin(angles)), axis=1)
    return corners


@in_colours
def draw_band(rng: np.random.Generator, articles: Images) -> Images:
    """Draw one to three bands across the image, or rectangles, of one grey or with a texture."""
    height, width = articles.shape[1:]
    field = np.zeros((height, width))
    texture = draw_texture(rng, articles)
    is_upright, is_whole = toss(rng), toss(rng)
    for _ in range(rng.choice((1, 1, 2, 3))):
        top, bottom = np.sort(rng.integers(0, height + 1, 2))
        left, right = (0, width) if is_whole else np.sort(rng.integers(0, width + 1, 2))
        if is_upright:
            top, bottom, left, right = (
                left * height // width,
                right * height // width,
                top * width // height,
                bottom * width // height,
            )
        field[top:bottom, left:right] = rng.uniform(0.3, 1)
    plain = np.full_like(texture, 255.0)
    return to_pixels(field * (plain if toss(rng) else texture))


@in_colours
def draw_cutout(rng: np.random.Generator, articles: Images) -> Images:
    """Cut out a piece of a synthetic photograph: clouds with edges and pieces of cloth in them."""
    shape = height, width = articles.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    y, x = (rows + 0.5) / height - 0.5, (columns + 0.5) / width - 0.5
    if toss(rng):
        tall, wide = rng.uniform(0.1, 0.5, 2)
        distance = np.maximum(np.abs(y) - tall, np.abs(x) - wide)
    else:
        angle = np.arctan2(y, x)
        waves = sum(rng.normal(0, 0.07) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in range(1, 6))
        distance = np.hypot(y, x) - waves - rng.uniform(0.25, 0.48)
    mask = np.clip(0.5 - distance * max(height, width), 0, 1)
    scene = _draw_clouds(rng, shape)
    for _ in range(rng.integers(0, 5)):
        slope, place = rng.normal(size=2), rng.uniform(-0.5, 0.5, 2)
        if toss(rng, 0.6):
            side = slope[0] * (y - place[0]) + slope[1] * (x - place[1]) > 0
        else:
            tall, wide = np.exp(slope / 2)
            side = np.hypot((y - place[0]) * tall, (x - place[1]) * wide) < _SPOT
        layer = _draw_clouds(rng, shape) if toss(rng, 0.7) else _take_cloth(rng, articles)
        scene = np.where(side, rng.uniform(0.2, 1) * layer, scene)
    return _fill(mask, scene, rng)


def draw_sign(characters: Sequence[str], fonts: Sequence[str], *, is_textured: bool | None = None) -> Draw:
    """Make a family of signs: a large character in the middle, with a texture or plain.

    Args:
        characters: one of these.
        fonts: of one of these fonts of matplotlib's.
        is_textured: whether all or none have a texture; `None` for an even chance.
    """

    @in_colours
    def draw(rng: np.random.Generator, articles: Images) -> Images:
        canvas, pen, size = open_canvas(articles)
        font = load_font(fonts[int(rng.integers(len(fonts)))], int(size.max() * rng.choice((0.8, 0.95, 1.1, 1.25))))
        character = characters[int(rng.integers(len(characters)))]
        left, top, right, bottom = pen.textbbox((0, 0), character, font=font)
        place = (size - (right - left, bottom - top)) / 2 - (left, top) + rng.normal(0, 0.03, 2) * size
        pen.text(tuple(place.tolist()), character, fill=255, font=font, stroke_width=int(rng.integers(0, 5)))
        has_texture = toss(rng) if is_textured is None else is_textured
        texture = draw_texture(rng, articles) if has_texture else np.full(articles.shape[1:], rng.uniform(80, 255))
        return _fill(close_canvas(canvas, articles) / 255, texture, rng)

    return draw


def draw_texture(rng: np.random.Generator, articles: Images) -> Field:
    """Draw a texture for a shape, float64[height, width] in 0–255: plain, noise, a ramp, clouds, checks or cloth."""
    shape = height, width = articles.shape[1:]
    rows, columns = np.mgrid[:height, :width]
    base, spread = rng.uniform(60, 255), rng.uniform(8, 70)

    def draw_ramp() -> Field:
        slopes = rng.normal(0, 90, 2)
        ramp: Field = base + slopes[0] * (rows / height - 0.5) + slopes[1] * (columns / width - 0.5)
        return ramp

    def draw_checks() -> Field:
        period = rng.integers(1, 5, 2)
        checks: Field = base + spread * (2.0 * ((rows // period[0] + columns // period[1]) % 2) - 1)
        return checks

    kinds: tuple[Callable[[], Field], ...] = (
        lambda: np.full(shape, base),
        lambda: base + spread * rng.standard_normal(shape),
        draw_ramp,
        lambda: _draw_clouds(rng, shape),
        draw_checks,
        lambda: _take_cloth(rng, articles).astype(np.float64),
    )
    texture: Field = np.clip(kinds[int(rng.integers(len(kinds)))](), 0, 255)
    return texture


def _take_cloth(rng: np.random.Generator, articles: Images) -> Images:
    """Enlarge the middle of an article to the whole image."""
    article = articles[rng.integers(len(articles))]
    height, width = article.shape
    part = article[
        height // 3 : max(height // 3 + 1, height * 2 // 3), width // 3 : max(width // 3 + 1, width * 2 // 3)
    ]
    return np.asarray(Image.fromarray(part).resize((width, height), Image.Resampling.BILINEAR))


def _draw_clouds(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """Draw smooth noise, as photographs have it, with a mean and a spread of its own."""
    height, width = shape
    frequencies = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    spectrum = np.fft.rfft2(rng.standard_normal(shape)) / np.maximum(frequencies, 1 / width) ** rng.uniform(0.5, 1.6)
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, shape)
    clouds: Field = np.clip(rng.uniform(70, 220) + rng.uniform(15, 70) * field / max(field.std(), 1e-9), 0, 255)
    return clouds


def _fill(mask: Field, texture: Field, rng: np.random.Generator) -> Images:
    """Show the texture where the mask is, on black, or on a dark grey for one in five."""
    ground = rng.uniform(0, 90) if toss(rng, 0.2) else 0.0
    return to_pixels(mask * texture + (1 - mask) * ground)


@in_colours
def draw_crossing(rng: np.random.Generator, articles: Images) -> Images:
    """Draw two crossing bands, or the frame of a rectangle, of one grey or with a texture."""
    height, width = articles.shape[1:]
    mask = np.zeros((height, width))
    rows, columns = np.sort(rng.integers(0, height + 1, 2)), np.sort(rng.integers(0, width + 1, 2))
    if toss(rng):
        mask[rows[0] : rows[1]] = mask[:, columns[0] : columns[1]] = 1
    else:
        line = int(rng.integers(1, 4))
        mask[rows[0] : rows[1], columns[0] : columns[1]] = 1
        mask[rows[0] + line : max(0, rows[1] - line), columns[0] + line : max(0, columns[1] - line)] = 0
    plain = np.full((height, width), rng.uniform(80, 255))
    return to_pixels(mask * (plain if toss(rng) else draw_texture(rng, articles)))


@in_colours
def draw_script(rng: np.random.Generator, articles: Images) -> Images:
    """Draw a character of no real script: one to five thin strokes, each a walk that turns slowly."""
    canvas, pen, size = open_canvas(articles)
    line, grey = int(rng.integers(3, 8)), int(rng.integers(170, 256))
    for _ in range(rng.integers(1, 6)):
        steps = int(rng.integers(6, 22))
        headings = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(rng.normal(0, 0.2), 0.35, steps))
        walk = np.cumsum(np.stack((np.cos(headings), np.sin(headings)), axis=1), axis=0) * rng.uniform(2.5, 5.5)
        points = np.clip(rng.uniform(0.15, 0.85, 2) * size + walk - walk.mean(axis=0) / 2, 0.06 * size, 0.94 * size)
        pen.line([tuple(point) for point in points.tolist()], fill=grey, width=line, joint="curve")
    return close_canvas(canvas, articles)


TRAINING_SILHOUETTES: Mapping[str, Draw] = MappingProxyType(
    {
        "silhouettes": draw_silhouette,
        "bands": draw_band,
        "cut-outs": draw_cutout,
        "textured letters": draw_sign(_LETTERS, _LETTER_FONTS),
        "arrows": draw_sign(_ARROWS, ("DejaVuSans",)),
    }
)
"""The shapes and signs that training shows as outliers."""
REPORT_SILHOUETTES: Mapping[str, Draw] = MappingProxyType(
    {
        "plain icons": draw_sign(ICONS, ("DejaVuSans",), is_textured=False),
        "textured icons": draw_sign(ICONS, ("DejaVuSans",), is_textured=True),
        "crossings and frames": draw_crossing,
        "script": draw_script,
    }
)
"""The shapes and signs that only the report uses."""
