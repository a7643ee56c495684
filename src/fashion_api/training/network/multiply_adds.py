"""The cost of a network in multiplications, which depends on no machine."""

import math

from fashion_api.training.network.backend import Model


def count_multiply_adds(network: Model) -> int:
    """Count the multiplications of the convolutions and dense layers for one image; the other layers have few."""
    return sum(_count_in_layer(layer) for layer in network.layers if hasattr(layer, "kernel"))


def _count_in_layer(layer: Model) -> int:
    """A convolution applies its kernel once for each pixel of its output, a dense layer once."""
    places = math.prod(layer.output.shape[1:-1])
    return int(places * math.prod(layer.kernel.shape))
