"""The mixture of outliers that training shows: drawn images and altered articles, half of them as poor pictures."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from fashion_api.images import Images
from fashion_api.training.synthetic.alterations import TRAINING_ALTERATIONS
from fashion_api.training.synthetic.captures import capture
from fashion_api.training.synthetic.nonsense import draw_nonsense
from fashion_api.training.synthetic.outliers import TRAINING_FAMILIES, Draw
from fashion_api.training.synthetic.silhouettes import TRAINING_SILHOUETTES

NONSENSE = "nonsense"
TURNED = "turned"
CAPTURED_SHARE = 0.5
"""If only articles were poor pictures, a network would take a grey background as a sign of an article."""
_FAMILIES: Mapping[str, Draw] = MappingProxyType({**TRAINING_FAMILIES, **TRAINING_ALTERATIONS, **TRAINING_SILHOUETTES})
SHARES: Mapping[str, float] = MappingProxyType(
    {
        TURNED: 0.14,
        "halved": 0.06,
        "joined": 0.12,
        "paired": 0.03,
        "laid over": 0.03,
        "inverted": 0.02,
        "silhouettes": 0.06,
        "bands": 0.05,
        "cut-outs": 0.08,
        "textured letters": 0.03,
        "arrows": 0.04,
        NONSENSE: 0.06,
        "glyphs": 0.03,
        "strokes": 0.06,
        "shapes": 0.03,
        "noise": 0.02,
        "clouds": 0.04,
        "constant": 0.02,
        "shuffled": 0.04,
        "crops": 0.04,
    }
)
"""The share of each family; those nearest to articles have the largest."""


def draw_training_outliers(
    count: int, *, articles: Images, rng: np.random.Generator, with_turned: bool = True
) -> Images:
    """Draw `count` outliers, of the size and the channels of `articles`, in a random order.

    Without `with_turned`, none is an article turned, which may be one of its class, or of another: 6 and 9.
    """
    outliers = np.empty((count, *articles.shape[1:]), np.uint8)
    names = tuple(name for name in SHARES if with_turned or name != TURNED)
    shares = np.array([SHARES[name] for name in names])
    chosen = rng.choice(len(names), count, p=shares if with_turned else shares / shares.sum())
    is_nonsense = chosen == names.index(NONSENSE)
    outliers[is_nonsense] = draw_nonsense(int(is_nonsense.sum()), shape=articles.shape[1:], rng=rng)
    for index in np.flatnonzero(~is_nonsense):
        outliers[index] = _FAMILIES[names[chosen[index]]](rng, articles)
    is_captured = rng.random(count) < CAPTURED_SHARE
    outliers[is_captured] = capture(outliers[is_captured], rng)
    return outliers
