"""The range of the pixels that a Keras model was made for, as its first layers tell.

Layers that scale map the right one of three usual ranges to numbers around 0. Of a normalisation, mean and variance
tell the range that it was fitted to: in the range from a to b, no numbers of mean m have a variance over (m − a)(b − m)
(R. Bhatia, C. Davis, "A Better Bound on the Variance", 2000).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

PixelRange = tuple[float, float]

_USUAL: tuple[PixelRange, ...] = ((0.0, 255.0), (0.0, 1.0), (-1.0, 1.0))
_SCALED: tuple[PixelRange, ...] = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (-128.0, 127.0))
"""What models scale pixels to."""
_MAX_DISTANCE = 0.4
"""How far from one of these a scaled range may be, as a share of it."""
_LEAST_DEVIATION = 0.02
"""The least standard deviation of the pixels of a data set, as a share of their range."""
_TRANSPARENT = frozenset(
    """
    InputLayer ActivityRegularization CenterCrop Concatenate Cropping2D Dropout Flatten GaussianNoise Identity Masking
    Permute Reshape Resizing SpatialDropout2D UpSampling2D ZeroPadding2D
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)
"""Layers that leave the pixels' range as it is, beside those that augment."""


def list_layers(network: Any) -> Iterator[Any]:  # noqa: ANN401  # Keras ships no types
    """Give the layers of a model in their order, those of models in it among them."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from list_layers(layer)
        else:
            yield layer


def find_pixel_range(network: Any) -> tuple[PixelRange, str] | None:  # noqa: ANN401  # Keras ships no types
    """Give the range of pixels that a network was made for, and what tells it; `None` where nothing does."""
    if "int" in str(network.inputs[0].dtype):
        return _USUAL[0], "its input is of whole numbers"
    scaling, scaled_by = _Scaling(), ""
    for layer in list_layers(network):
        kind = type(layer).__name__
        if kind == "Rescaling":
            scaling, scaled_by = scaling.follow(layer.scale, layer.offset), layer.name
        elif kind == "Normalization" and not scaled_by and not _is_fresh(layer.mean, layer.variance):
            found = _find_fitted(layer.mean, layer.variance)
            return None if found is None else (found, f"its layer {layer.name!r:.60} was fitted to them")
        elif kind == "BatchNormalization" and not scaled_by:
            found = _find_averaged(layer.moving_mean, layer.moving_variance)
            return None if found is None else (found, f"the mean of its layer {layer.name!r:.60} tells")
        elif kind not in _TRANSPARENT and not kind.startswith("Random") and not _is_linear(layer):
            break
    if not scaled_by:
        return None
    found = scaling.find_origin()
    return None if found is None else (found, f"its layer {scaled_by!r:.60} scales them")


@dataclass(frozen=True)
class _Scaling:
    """A multiplication and an addition; of values for each colour, their means."""

    scale: float = 1.0
    offset: float = 0.0

    def follow(self, scale: Any, offset: Any) -> "_Scaling":  # noqa: ANN401  # numbers, or lists of them
        factor = _mean(scale)
        return _Scaling(self.scale * factor, self.offset * factor + _mean(offset))

    def find_origin(self) -> PixelRange | None:
        """Give the usual range that is mapped nearest to one that models scale to."""
        distances = [
            min(
                (abs(low * self.scale + self.offset - to_low) + abs(high * self.scale + self.offset - to_high))
                / (to_high - to_low)
                for to_low, to_high in _SCALED
            )
            for low, high in _USUAL
        ]
        least = int(np.argmin(distances))
        return _USUAL[least] if distances[least] <= _MAX_DISTANCE else None


def _is_linear(layer: Any) -> bool:  # noqa: ANN401  # a layer
    return type(layer).__name__ == "Activation" and layer.activation.__name__ == "linear"


def _mean(values: Any) -> float:  # noqa: ANN401  # numbers, or a tensor
    return float(np.mean(np.asarray(values, np.float64)))


def _is_fresh(mean: Any, variance: Any) -> bool:  # noqa: ANN401  # tensors
    return not np.any(np.asarray(mean)) and bool(np.all(np.asarray(variance) == 1))


def _find_fitted(mean: Any, variance: Any) -> PixelRange | None:  # noqa: ANN401  # tensors
    """Give the first usual range that can have these means and variances, taken together."""
    means, variances = np.asarray(mean, np.float64), np.asarray(variance, np.float64)
    middle, spread = float(means.mean()), float(variances.mean() + means.var())
    for low, high in _USUAL:
        least = (_LEAST_DEVIATION * (high - low)) ** 2
        if low <= middle <= high and least <= spread <= (middle - low) * (high - middle):
            return low, high
    return None


def _find_averaged(mean: Any, variance: Any) -> PixelRange | None:  # noqa: ANN401  # tensors
    """Give the range that running means tell plainly: they began at a mean of 0 and a variance of 1."""
    found = _find_fitted(mean, variance)
    return None if found == _USUAL[2] and _mean(mean) >= 0 else found
