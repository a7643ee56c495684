"""Flaws that the pixels of a refused image show: why a model may not recognise the article.

The rules are cheap and approximate: they compare greys, the article's bounding box and its symmetry. In colour, where a
background need not be black, they compare the pixels' brightness only.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images

Flaw = Literal["too-dark", "low-contrast", "too-small", "at-edge", "turned"]

_DARKEST = 64
"""An image whose lightest pixel is below is too dark."""
_LEAST_CONTRAST = 64
"""Between the darkest and the lightest pixel."""
_FOREGROUND = 4
"""The article is lighter than the darkest pixel by a quarter of the contrast."""
_SMALLEST = 0.5
"""Of the image's height or width, whichever the article fills more; training shows articles down to 0.6."""
_MARGIN = 0.25
"""An article that touches an edge, with this share of the image empty on the opposite side, is at the edge."""
_SYMMETRY = 0.7
"""The least likeness of the upper and the lower half of a turned article."""
_ASYMMETRY = 0.1
"""By how much the likeness of the left and the right half of a turned article is lower."""


def find_flaws(image: Images) -> list[Flaw]:
    """Find the flaws of a light article on black, uint8[height, width], or of a picture, uint8[height, width, 3]."""
    is_in_colour = image.ndim > 2  # noqa: PLR2004  # with channels
    greys = image.mean(axis=2) if is_in_colour else image
    darkest, lightest = int(greys.min()), int(greys.max())
    contrast = lightest - darkest
    if lightest < _DARKEST:
        return ["too-dark"]
    if contrast < _LEAST_CONTRAST:
        return ["low-contrast"]
    if is_in_colour:
        return []
    is_article = image > darkest + contrast // _FOREGROUND
    flaws = _check_place(is_article)
    if not flaws and _is_turned(_cut_out(image, is_article)):
        flaws.append("turned")
    return flaws


def _check_place(is_article: npt.NDArray[np.bool_]) -> list[Flaw]:
    filled, at_edge = 0.0, False
    for size, axis in zip(is_article.shape, (1, 0), strict=True):
        lines: npt.NDArray[np.bool_] = np.any(is_article, axis=axis)
        before, after = int(lines.argmax()), int(lines[::-1].argmax())
        filled = max(filled, (size - before - after) / size)
        at_edge = at_edge or (min(before, after) == 0 and max(before, after) >= _MARGIN * size)
    flaws: list[Flaw] = []
    if filled < _SMALLEST:
        flaws.append("too-small")
    if at_edge:
        flaws.append("at-edge")
    return flaws


def _cut_out(image: Images, is_article: npt.NDArray[np.bool_]) -> Images:
    """Give the article's bounding box: the article may be a pixel beside the middle of the image."""
    rows, columns = np.flatnonzero(is_article.any(axis=1)), np.flatnonzero(is_article.any(axis=0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _is_turned(article: Images) -> bool:
    """Compare an article's bounding box with its mirror images.

    Many articles are alike on the left and on the right; turned by 90°, they are alike above and below instead. This
    finds tops, dresses and bags, but neither shoes nor articles upside down.
    """
    centred = article.astype(np.float32)
    centred -= centred.mean()
    power = float(np.vdot(centred, centred))
    if power == 0:  # one grey
        return False
    above_below = float(np.vdot(centred, centred[::-1])) / power
    left_right = float(np.vdot(centred, centred[:, ::-1])) / power
    return above_below > _SYMMETRY and left_right < above_below - _ASYMMETRY
