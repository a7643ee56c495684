"""The search for nonsense that a model takes for an article: a few shapes, improved by hill-climbing.

A picture is encoded as float32[genes], each in 0–1: for each of five shapes its presence, kind, place, size, angle,
grey and texture, and the background. One in colour has further genes, for the greys and the background of its second
and its third channel. `render` draws it; `climb` changes genes at random and keeps what scores higher.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images

Genomes = npt.NDArray[np.float32]
Score = Callable[[Images], npt.NDArray[np.floating]]
"""Rates images: [n], higher is better."""

SHAPES = 5
SHAPE_GENES = 9
GENES = SHAPES * SHAPE_GENES + 1
"""Of a grey picture."""
_GREYS = (*range(7, SHAPES * SHAPE_GENES, SHAPE_GENES), GENES - 1)
"""The genes of the shapes' greys, and of the background."""
_BLACK = 0.7  # of the pictures have a black background
_PRESENT = 0.6  # a shape whose gene is below is there
_ROUND, _THIN = 0.4, 0.8  # above these, the gene of the kind makes an ellipse or a line
_UPRIGHT = 0.5  # a shape whose gene is below stands upright
_SMOOTH = 0.4  # a shape whose gene is below has no texture
_NOISE = np.random.default_rng(0).standard_normal((64, 64)).astype(np.float32)
ClassScore = Callable[[Images], npt.NDArray[np.floating]]
"""Rates how nearly images are taken for each class: [n, classes] in 0–1."""

_CHUNK_PIXELS = 1 << 22  # drawn at a time, to limit the memory
_FIRST = 200  # pictures that a climb begins with, of which the best is climbed from
_STARTS = 50  # pictures for each climb of a search
_CLIMBS, _GENERATIONS, _SEARCH_CHILDREN = 8, 15, 4  # for each class, of each climb, of each generation
_NEAR = 0.5
_CHILDREN = 20  # of one generation
_CHANGED = 0.15  # of the genes of a child
_STEP = 0.2  # standard deviation of a change
_REDRAWN = 0.3  # of the changes are to any value


def draw_genomes(count: int, shape: tuple[int, ...], rng: np.random.Generator) -> Genomes:
    """Draw pictures of a shape at random: float32[count, genes]."""
    channels = math.prod(shape[2:])
    genomes = rng.random((count, GENES + (channels - 1) * len(_GREYS)), np.float32)
    is_black = rng.random(count) < _BLACK
    for background in range(GENES - 1, genomes.shape[1], len(_GREYS)):
        genomes[is_black, background] = 0
    return genomes


def draw_nonsense(count: int, *, shape: tuple[int, ...], rng: np.random.Generator) -> Images:
    """Draw uint8[count, height, width] or uint8[count, height, width, 3] of shapes at random."""
    return render(draw_genomes(count, shape, rng), shape)


def render(genomes: Genomes, shape: tuple[int, ...]) -> Images:
    """Draw float32[n, genes] as uint8[n, height, width] or uint8[n, height, width, 3].

    A shape is a rectangle, an ellipse or a line; the first shape is always there.
    """
    size = max(1, _CHUNK_PIXELS // math.prod(shape[:2]))
    chunks = (genomes[start : start + size] for start in range(0, max(1, len(genomes)), size))
    return np.concatenate([_render(chunk, shape) for chunk in chunks])


def _render(genomes: Genomes, shape: tuple[int, ...]) -> Images:
    height, width, *channels = shape
    if not channels:
        return _render_grey(genomes, height, width)
    rendered = []
    for greys in (genomes[:, _GREYS], *np.split(genomes[:, GENES:], channels[0] - 1, axis=1)):
        channel = genomes[:, :GENES].copy()
        channel[:, _GREYS] = greys
        rendered.append(_render_grey(channel, height, width))
    return np.stack(rendered, axis=-1)


def _render_grey(genomes: Genomes, height: int, width: int) -> Images:
    count = len(genomes)
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    rows, columns = (rows + 0.5) / height, (columns + 0.5) / width
    noise = np.resize(_NOISE, (height, width))
    pictures = np.broadcast_to(genomes[:, -1, None, None] * 200, (count, height, width))
    for number in range(SHAPES):
        genes = genomes[:, number * SHAPE_GENES : (number + 1) * SHAPE_GENES, None, None]
        present, kind, y, x, tall, wide, angle, grey, texture = (genes[:, index] for index in range(SHAPE_GENES))
        turn = np.where(angle < _UPRIGHT, 0, (angle - _UPRIGHT) * 2 * np.pi)
        v = (rows - y) * np.cos(turn) - (columns - x) * np.sin(turn)
        u = (rows - y) * np.sin(turn) + (columns - x) * np.cos(turn)
        tall = np.where(kind > _THIN, 0.015 + 0.05 * tall, 0.02 + 0.5 * tall)
        wide = 0.02 + 0.5 * wide
        box = np.maximum(np.abs(v) - tall, np.abs(u) - wide)
        ellipse = (np.sqrt((v / tall) ** 2 + (u / wide) ** 2) - 1) * np.minimum(tall, wide)
        distance = np.where((kind > _ROUND) & (kind <= _THIN), ellipse, box)
        mask = np.clip(0.5 - distance * max(height, width), 0, 1)
        mask = mask if number == 0 else mask * (present < _PRESENT)
        roughness = np.maximum(texture - _SMOOTH, 0) * 100
        pictures = pictures * (1 - mask) + mask * np.clip(grey * 255 + roughness * noise, 0, 255)
    return np.clip(np.rint(pictures), 0, 255).astype(np.uint8)


def mutate(genomes: Genomes, rng: np.random.Generator) -> Genomes:
    """Change some genes of each of float32[n, genes], at least one."""
    changed = rng.random(genomes.shape) < _CHANGED
    changed[np.arange(len(genomes)), rng.integers(0, genomes.shape[1], len(genomes))] = True
    moved = np.clip(genomes + _STEP * rng.standard_normal(genomes.shape, np.float32), 0, 1)
    drawn = rng.random(genomes.shape, np.float32)
    redrawn = rng.random(genomes.shape) < _REDRAWN
    return np.where(changed, np.where(redrawn, drawn, moved), genomes).astype(np.float32)


def search(score: ClassScore, *, shape: tuple[int, ...], rng: np.random.Generator) -> Images:
    """Climb towards every class from several starts at once, to find outliers for training.

    Args:
        score: of a network that is being trained.
        shape: height and width of an image, and 3 for one in colour.
        rng: decides the starts and the changes.

    Returns:
        uint8[m, *shape], all rated pictures that score above 0.5 for some class; there may be none.
    """
    genomes = draw_genomes(_STARTS * _CLIMBS, shape, rng)
    images = render(genomes, shape)
    scores = score(images)
    found = [images[scores.max(axis=1) > _NEAR]]
    classes = scores.shape[1]
    wanted = np.repeat(np.arange(classes), _CLIMBS)
    parents = genomes[np.argsort(-scores, axis=0)[:_CLIMBS].T.ravel()]
    reached = np.full(len(parents), -np.inf)
    for _ in range(_GENERATIONS):
        children = mutate(np.repeat(parents, _SEARCH_CHILDREN, axis=0), rng).reshape(len(parents), _SEARCH_CHILDREN, -1)
        images = render(children.reshape(-1, genomes.shape[1]), shape)
        scores = score(images)
        found.append(images[scores.max(axis=1) > _NEAR])
        own = scores.reshape(len(parents), _SEARCH_CHILDREN, classes)[np.arange(len(parents)), :, wanted]
        best = own.argmax(axis=1)
        is_better = own.max(axis=1) >= reached
        parents = np.where(is_better[:, None], children[np.arange(len(parents)), best], parents)
        reached = np.maximum(reached, own.max(axis=1))
    return np.concatenate(found)


def climb(score: Score, *, shape: tuple[int, ...], queries: int, rng: np.random.Generator) -> tuple[Genomes, float]:
    """Search for the picture with the highest score, rating at most `queries` pictures.

    Returns:
        The best one's float32[genes], and its score.
    """
    genomes = draw_genomes(min(_FIRST, queries), shape, rng)
    scores = score(render(genomes, shape))
    asked = len(genomes)
    best, reached = genomes[scores.argmax()], float(scores.max())
    while asked < queries:
        children = mutate(np.repeat(best[None], min(_CHILDREN, queries - asked), axis=0), rng)
        scores = score(render(children, shape))
        asked += len(children)
        if scores.max() >= reached:
            best, reached = children[scores.argmax()], float(scores.max())
    return best, reached
