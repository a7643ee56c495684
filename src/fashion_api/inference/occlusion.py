"""What mattered in an image: parts of it are covered, and the model is asked again (Zeiler and Fergus, 2014)."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images

_PLACES = 10
"""To a side. The squares overlap, by half of their side or more."""
_SQUARES = 4
"""So many of them would fill the image's height or width."""
VARIANTS = _PLACES**2 + 1
"""How many images are classified to explain one: the image itself, and one for each place of the square."""


def cover(image: Images) -> Images:
    """Give an image and, in the order of the places, what is left where a black square covers a part of it.

    Args:
        image: uint8[height, width], or uint8[height, width, 3], of which all channels are covered.

    Returns:
        The images, along a new first axis of VARIANTS.
    """
    height, width = image.shape[:2]
    variants = np.repeat(image[np.newaxis], VARIANTS, axis=0)
    for variant, part in zip(variants[1:], _list_parts(height, width), strict=True):
        variant[part] = 0
    return variants


def map_heat(probabilities: npt.NDArray[np.float32], *, height: int, width: int) -> npt.NDArray[np.float64]:
    """Give each pixel the mean of what the squares over it take from a class's probability.

    Args:
        probabilities: float32[VARIANTS], the probability of one class in what `cover` gives.
        height: of the image.
        width: of the image.

    Returns:
        float64[height, width] from −1 to 1; over 0 where the class is less probable without the pixel.
    """
    total = np.zeros((height, width))
    squares = np.zeros((height, width))
    for loss, part in zip(probabilities[0] - probabilities[1:].astype(float), _list_parts(height, width), strict=True):
        total[part] += loss
        squares[part] += 1
    heat: npt.NDArray[np.float64] = total / squares
    return heat


def _list_parts(height: int, width: int) -> Iterator[tuple[slice, slice]]:
    for rows in _list_spans(height):
        for columns in _list_spans(width):
            yield rows, columns


def _list_spans(size: int) -> list[slice]:
    """Place the square's side evenly along a side of the image, from half outside at one end to half at the other."""
    side = max(1, round(size / _SQUARES))
    starts = np.linspace(-(side // 2), size - side + side // 2, _PLACES).round().astype(int).tolist()
    return [slice(max(0, start), min(size, start + side)) for start in starts]
