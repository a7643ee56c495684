"""Drawings and textures of our own, which resemble nothing that training or its evaluation draws."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from fashion_api.images import Images
from fashion_api.training.synthetic.pixels import to_pixels

Field = npt.NDArray[np.float64]

SIDE = 28
_SCALE = 6  # pixels of a canvas for one of the picture
# Corners on a grid of 10 by 10, clockwise; some things look a little like an article on purpose.
OUTLINES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "house": ((1, 10), (1, 5), (5, 1), (9, 5), (9, 10)),
        "fir": ((4, 10), (4, 8), (1, 8), (3, 5), (2, 5), (5, 0), (8, 5), (7, 5), (9, 8), (6, 8), (6, 10)),
        "fish": ((0, 5), (3, 2), (6, 4), (10, 1), (9, 5), (10, 9), (6, 6), (3, 8)),
        "star": ((5, 0), (6, 4), (10, 4), (7, 6), (8, 10), (5, 7), (2, 10), (3, 6), (0, 4), (4, 4)),
        "bottle": ((4, 0), (6, 0), (6, 3), (7, 4), (7, 10), (3, 10), (3, 4), (4, 3)),
        "cup": ((1, 2), (7, 2), (7, 3), (9, 3), (9, 7), (7, 7), (6, 9), (2, 9)),
        "mushroom": ((1, 5), (2, 2), (5, 1), (8, 2), (9, 5), (6, 5), (7, 10), (3, 10), (4, 5)),
        "car": ((0, 8), (0, 5), (2, 5), (3, 3), (7, 3), (8, 5), (10, 5), (10, 8)),
        "boat": ((0, 6), (4, 6), (4, 1), (8, 5), (5, 6), (10, 6), (8, 9), (2, 9)),
        "bell": ((5, 0), (7, 2), (7, 6), (9, 8), (6, 8), (5, 10), (4, 8), (1, 8), (3, 6), (3, 2)),
        "key": ((1, 1), (5, 1), (5, 3), (10, 3), (10, 6), (9, 6), (9, 4), (7, 4), (7, 5), (5, 5), (1, 5)),
        "table": ((0, 3), (10, 3), (10, 4), (9, 4), (9, 10), (8, 10), (8, 4), (2, 4), (2, 10), (1, 10), (1, 4), (0, 4)),
        "tent": ((5, 1), (10, 9), (6, 9), (5, 5), (4, 9), (0, 9)),
        "cat": ((1, 0), (3, 3), (7, 3), (9, 0), (9, 7), (6, 10), (4, 10), (1, 7)),
        "leaf": ((5, 0), (8, 3), (8, 6), (5, 9), (5, 10), (4, 10), (2, 6), (2, 3)),
        "hammer": ((1, 1), (8, 1), (9, 3), (6, 3), (6, 10), (4, 10), (4, 3), (1, 3)),
    }
)


def draw_thing(rng: np.random.Generator) -> Images:
    """Draw one of the outlines by an unsteady hand, with light from one side: uint8[28, 28]."""
    corners = np.array(tuple(OUTLINES.values())[rng.integers(len(OUTLINES))], np.float64) / 10
    corners = 0.5 + (corners - 0.5) * rng.uniform(0.75, 1, 2) + rng.normal(0, 0.015, corners.shape)
    canvas = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE))
    ImageDraw.Draw(canvas).polygon([tuple(corner) for corner in (corners * canvas.width).tolist()], 255)
    mask = np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX)) / 255
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    direction = rng.uniform(0, 2 * np.pi)
    light = rng.uniform(90, 230) + 120 * (rows * np.sin(direction) + columns * np.cos(direction))
    return to_pixels(mask * (light + rng.normal(0, rng.uniform(0, 20), mask.shape)))


def draw_rosette(rng: np.random.Generator) -> Images:
    """Draw a closed curve of three turning wheels with a pen: uint8[28, 28]."""
    t = np.linspace(0, 2 * np.pi, 240)
    wheels = rng.integers(-7, 8, 3) * 1j * t[:, None] + rng.uniform(0, 6.3, 3) * 1j
    curve = (np.exp(wheels) * rng.uniform(0.1, 1, 3)).sum(axis=1)
    curve *= 0.45 / np.abs(curve).max()
    canvas = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE))
    points = (np.stack((curve.real, curve.imag), axis=1) + 0.5) * canvas.width
    pen = ImageDraw.Draw(canvas)
    pen.line(
        [tuple(point) for point in points.tolist()], fill=int(rng.integers(120, 256)), width=int(rng.integers(4, 16))
    )
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))


def draw_moire(rng: np.random.Generator) -> Images:
    """Lay ring gratings over each other, in half of the cases within a soft blot on black: uint8[28, 28]."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    field = np.zeros((SIDE, SIDE))
    for _ in range(rng.integers(2, 4)):
        centre = rng.uniform(-0.5, 1.5, 2)
        field += np.sin(rng.uniform(8, 60) * np.hypot(rows - centre[0], columns - centre[1]))
    picture = 128 + rng.uniform(15, 60) * field
    return to_pixels(picture * _draw_blot(rng) if rng.random() < 0.5 else picture)  # noqa: PLR2004  # an even chance


def _draw_blot(rng: np.random.Generator) -> Field:
    """Draw a mask of float64[28, 28] in 0–1: the heights of some hills above a level."""
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    hills = np.zeros((SIDE, SIDE))
    for y, x in rng.uniform(0.25, 0.75, (int(rng.integers(2, 6)), 2)):
        hills += np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / rng.uniform(0.005, 0.05))
    return np.clip((hills - 0.5) * 6, 0, 1)


def draw_codes(rng: np.random.Generator) -> Images:
    """Draw a bar code, a chart of bars, or a square of light and dark fields: uint8[28, 28]."""
    kind, light = rng.integers(3), rng.integers(130, 256)
    if kind == 0:
        return np.broadcast_to((rng.random(SIDE) < rng.uniform(0.3, 0.7)) * light, (SIDE, SIDE)).astype(np.uint8)
    if kind == 1:
        heights = np.repeat(rng.integers(2, SIDE, 7), 4)
        gaps = np.arange(SIDE) % 4 < rng.integers(2, 5)
        return ((np.arange(SIDE)[::-1, None] < heights) * gaps * light).astype(np.uint8)
    fields = np.kron(rng.random((7, 7)) < rng.uniform(0.3, 0.7), np.ones((4, 4)))
    return (fields * light).astype(np.uint8)


def draw_face(rng: np.random.Generator) -> Images:
    """Draw a head with eyes and a mouth: uint8[28, 28]."""
    canvas = Image.new("L", (SIDE * _SCALE, SIDE * _SCALE))
    pen, skin = ImageDraw.Draw(canvas), int(rng.integers(110, 240))
    middle, (tall, wide) = canvas.width / 2, rng.uniform(0.3, 0.48, 2) * canvas.width
    pen.ellipse((middle - wide, middle - tall, middle + wide, middle + tall), skin)
    ink, size = int(rng.integers(0, skin // 2)), float(rng.uniform(0.03, 0.09)) * canvas.width
    for side in (-1, 1):
        x, y = middle + side * wide * 0.4, middle - tall * 0.25
        pen.ellipse((x - size, y - size, x + size, y + size), ink)
    pen.arc((middle - wide * 0.5, middle, middle + wide * 0.5, middle + tall * 0.6), 10, 170, ink, int(size) + 1)
    return np.asarray(canvas.resize((SIDE, SIDE), Image.Resampling.BOX))
