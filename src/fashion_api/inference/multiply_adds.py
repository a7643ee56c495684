"""The cost of a Keras network in multiplications, which depends on no machine."""

import math
from typing import Any

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel", "recurrent_kernel")


def count_multiply_adds(network: Any, shape: tuple[int, ...] | None = None) -> int:  # noqa: ANN401  # Keras ships no types
    """Count the multiplications of convolutions, dense and recurrent layers for one image; other layers have few.

    Args:
        network: the Keras model.
        shape: that of an image in its input, which is needed where the network leaves it open.
    """
    if shape is not None and None in network.inputs[0].shape[1:]:
        import keras  # noqa: PLC0415  # it is imported already: the network is of it

        network = keras.models.clone_model(network, input_tensors=keras.Input(shape))
    return sum(map(_count_in_layer, network.layers))


def _count_in_layer(layer: Any) -> int:  # noqa: ANN401  # Keras ships no types
    """A convolution applies its kernel once for each pixel of its output, a dense layer once, a cell at each step."""
    if hasattr(layer, "layers"):
        (image,) = layer._inbound_nodes[-1].input_tensors  # noqa: SLF001  # `input` is the inner one, which may be open
        return count_multiply_adds(layer, tuple(image.shape[1:]))
    cell = getattr(layer, "cell", layer)
    kernels = [kernel for kernel in (getattr(cell, name, None) for name in _KERNELS) if kernel is not None]
    if not kernels:
        return 0
    is_channels_first = getattr(layer, "data_format", "") == "channels_first"
    shape = layer.output.shape
    places = layer.input.shape[1:2] if cell is not layer else shape[2:] if is_channels_first else shape[1:-1]
    return int(math.prod(places) * sum(math.prod(kernel.shape) for kernel in kernels))
