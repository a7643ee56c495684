"""Drawing pictures in a terminal, as text. A picture is uint8[h, w], or uint8[h, w, 3]."""

import numpy as np

from fashion_api.images import Images

_SHADES = np.array(list(" .:-=+*#%@"))
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2


def draw_colour(image: Images) -> str:
    """Draw a picture with two pixels a character, in 24-bit colours."""
    colours = image if image.ndim > 2 else np.stack([image] * 3, axis=-1)  # noqa: PLR2004  # without channels
    lines = []
    for upper, lower in zip(*_pair_rows(colours), strict=True):
        cells = (
            f"\x1b[38;2;{';'.join(map(str, above))}m\x1b[48;2;{';'.join(map(str, below))}m▀"
            for above, below in zip(upper.tolist(), lower.tolist(), strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def draw_plain(image: Images) -> str:
    """Draw a picture with two characters a pixel, of ten shades."""
    shades = _SHADES[(_to_greys(image) * len(_SHADES) // 256).astype(np.intp)]
    return "\n".join("".join(np.repeat(row, 2)).rstrip() for row in shades)


def draw_compact(image: Images) -> str:
    """Draw a picture with two pixels a character, one above the other, of ten shades."""
    upper, lower = _pair_rows(_to_greys(image))
    means = (upper + lower) / 2
    return "\n".join("".join(row) for row in _SHADES[(means * len(_SHADES) // 256).astype(np.intp)])


def _to_greys(image: Images) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return image.astype(float) if image.ndim == 2 else image @ np.array(_LUMA)  # noqa: PLR2004  # without channels


def _pair_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the upper and the lower row of each pair; below an odd last one, there is black."""
    even = rows if len(rows) % 2 == 0 else np.concatenate((rows, np.zeros_like(rows[:1])))
    return even[::2], even[1::2]
