"""Drawing pictures in a terminal, as text."""

import numpy as np

from fashion_api.images import Images

_SHADES = np.array(list(" .:-=+*#%@"))


def draw_colour(image: Images) -> str:
    """Draw uint8[h, w] with two pixels a character, in 24-bit greys."""
    rows = image if len(image) % 2 == 0 else np.vstack((image, np.zeros_like(image[:1])))
    lines = []
    for upper, lower in zip(rows[::2].tolist(), rows[1::2].tolist(), strict=True):
        cells = (f"\x1b[38;2;{u};{u};{u}m\x1b[48;2;{v};{v};{v}m▀" for u, v in zip(upper, lower, strict=True))
        lines.append("".join(cells) + "\x1b[0m")
    return "\n".join(lines)


def draw_plain(image: Images) -> str:
    """Draw uint8[h, w] with two characters a pixel, of ten shades."""
    shades = _SHADES[image.astype(np.intp) * len(_SHADES) // 256]
    return "\n".join("".join(np.repeat(row, 2)).rstrip() for row in shades)


def draw_compact(image: Images) -> str:
    """Draw uint8[h, w] with two pixels a character, one above the other, of ten shades."""
    rows = image if len(image) % 2 == 0 else np.vstack((image, np.zeros_like(image[:1])))
    means = rows.reshape(-1, 2, rows.shape[1]).mean(axis=1)
    return "\n".join("".join(row) for row in _SHADES[(means * len(_SHADES) // 256).astype(np.intp)])
