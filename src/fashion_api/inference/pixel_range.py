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
_SCALED: tuple[PixelRange, ...] = ((0.0, 1.0), (-1.0, 1.0), (-0.5, 0.5), (-128.0, 127.0), (-2.1, 2.5))
"""What models scale pixels to; the last is what standardising them gives, with ImageNet's mean and deviation."""
_MAX_DISTANCE = 0.4
"""How far from one of these a scaled range may be, as a share of it."""
_LEAST_DEVIATION = 0.02
"""The least standard deviation of the pixels of a data set, as a share of their range."""
_LEAST_STANDARDISED = 0.9
"""A variance from which on running means may be of standardised pixels, or have hardly moved from 1."""
_TRANSPARENT = frozenset(
    """
    InputLayer ActivityRegularization AveragePooling1D AveragePooling2D CenterCrop Concatenate Cropping2D Dropout
    Flatten GaussianNoise GlobalAveragePooling2D Identity Masking MaxPooling1D MaxPooling2D Permute Rescaling
    Reshape Resizing SpatialDropout2D UpSampling2D ZeroPadding2D
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
        if kind == "Rescaling" and _Scaling().follow(layer.scale, layer.offset) != _Scaling():
            scaling, scaled_by = scaling.follow(layer.scale, layer.offset), layer.name
        elif kind == "Embedding" and not scaled_by:
            return _USUAL[0], f"its layer {layer.name!r:.60} has a vector for each whole number"
        elif kind == "Normalization" and not scaled_by:
            if _is_fresh(layer.mean, layer.variance):
                continue
            found = None if layer.invert else _find_fitted(layer.mean, layer.variance)
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
            min((abs(low - to_low) + abs(high - to_high)) / (to_high - to_low) for to_low, to_high in _SCALED)
            for low, high in map(self._map, _USUAL)
        ]
        least = int(np.argmin(distances))
        return _USUAL[least] if distances[least] <= _MAX_DISTANCE else None

    def _map(self, pixels: PixelRange) -> list[float]:
        """Give what a range is mapped to, the lower number first: models of dark on light invert their pixels."""
        return sorted(limit * self.scale + self.offset for limit in pixels)


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
    is_plain = _mean(mean) < 0 and _mean(variance) < _LEAST_STANDARDISED
    return None if found == _USUAL[2] and not is_plain else found
