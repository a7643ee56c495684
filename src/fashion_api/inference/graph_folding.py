"""Rewrites an exported ONNX graph so that ONNX Runtime computes less; the result is the same up to rounding.

ONNX Runtime fuses most of what is behind a convolution by itself. It leaves two forms alone that Keras's export has:

- a multiplication by one number before a layer, as `Rescaling` is: the number goes into the layer's weights;
- a batch normalisation that is written as a multiplication and an addition a channel, as it is behind a pooling: named
  as what it is, ONNX Runtime computes it, and the layers behind it, in the convolutions' own memory layout.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import ModelProto, NodeProto, helper, numpy_helper

_LAYERS = ("Conv", "MatMul")
"""Operators that are linear in their first input, with the weights as the second."""
_MOVES = ("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that change no value."""


def fold(compiled: bytes) -> bytes:
    """Rewrite a graph of ONNX's own operators; one with loops or branches is left as it is."""
    model = onnx.load_model_from_string(compiled)
    if any(attribute.HasField("g") for node in model.graph.node for attribute in node.attribute):
        return compiled
    graph = _Graph(model)
    for node in list(model.graph.node):
        if node.op_type == "Mul":
            _fold_scale(graph, node)
            _name_normalization(graph, node)
    graph.drop_unused_weights()
    written: bytes = model.SerializeToString()
    return written


def set_property(compiled: bytes, name: str, value: str) -> bytes:
    """Add a property to those that a graph carries."""
    model = onnx.load_model_from_string(compiled)
    model.metadata_props.add(key=name, value=value)
    written: bytes = model.SerializeToString()
    return written


class _Graph:
    """The nodes of a graph and its weights."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = model.graph
        self._weights = {weights.name: weights for weights in self._graph.initializer}
        self._results = {result.name for result in self._graph.output}

    def find_weights(self, node: NodeProto) -> npt.NDArray[Any] | None:
        """Give the weights that a node of two inputs combines with a value."""
        found = [name for name in node.input if name in self._weights]
        return self.get_weights(found[0]) if len(found) == 1 else None

    def find_value(self, node: NodeProto) -> str:
        """Give the name of that value."""
        value: str = next(name for name in node.input if name not in self._weights)
        return value

    def get_weights(self, name: str) -> npt.NDArray[Any] | None:
        """Give the weights of this name; `None` where it is a value's."""
        return numpy_helper.to_array(self._weights[name]) if name in self._weights else None

    def follow(self, node: NodeProto) -> NodeProto | None:
        """Give the only node that takes the output of a node; `None` where there are several, or it is a result."""
        (output,) = node.output
        takers = [other for other in self._graph.node if output in other.input]
        return takers[0] if len(takers) == 1 and output not in self._results else None

    def add_weights(self, name: str, weights: npt.NDArray[Any]) -> str:
        """Add weights, and give their name."""
        self._weights[name] = self._graph.initializer.add()
        self._weights[name].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights), name))
        return name

    def replace(self, nodes: list[NodeProto], *others: NodeProto) -> None:
        """Put other nodes into the place of the first of some nodes."""
        place = list(self._graph.node).index(nodes[0])
        for node in nodes:
            self._graph.node.remove(node)
        for node in reversed(others):
            self._graph.node.insert(place, node)

    def drop_unused_weights(self) -> None:
        """Remove the weights that no node takes any more."""
        used = {name for node in self._graph.node for name in node.input} | self._results
        for weights in [weights for weights in self._graph.initializer if weights.name not in used]:
            self._graph.initializer.remove(weights)


def _fold_scale(graph: _Graph, node: NodeProto) -> None:
    """Put a number that a layer's input is multiplied by into the layer's weights."""
    scale = graph.find_weights(node)
    if scale is None or scale.size != 1 or scale.ndim > 1:
        return
    taker = graph.follow(node)
    layer = graph.follow(taker) if taker is not None and taker.op_type in _MOVES else taker
    if layer is None or taker is None or layer.op_type not in _LAYERS:
        return
    weights = graph.get_weights(layer.input[1])
    if weights is None:
        return
    # Not named after the weights, which layers of other scales may share.
    layer.input[1] = graph.add_weights(f"{layer.output[0]}/scaled", weights * scale)
    taker.input[0] = graph.find_value(node)
    graph.replace([node])


def _name_normalization(graph: _Graph, node: NodeProto) -> None:
    """Put a batch normalisation into the place of a multiplication and an addition a channel."""
    addition = graph.follow(node)
    scale = graph.find_weights(node)
    shift = graph.find_weights(addition) if addition is not None and addition.op_type == "Add" else None
    if addition is None or scale is None or shift is None or not _is_by_channel(scale) or shift.shape != scale.shape:
        return
    name, channels = node.name, scale.size
    parameters = {
        "scale": scale.ravel(),
        "shift": shift.ravel(),
        "mean": np.zeros(channels, scale.dtype),
        "variance": np.ones(channels, scale.dtype),
    }
    inputs = [graph.add_weights(f"{name}/{kind}", values) for kind, values in parameters.items()]
    normalization = helper.make_node(
        "BatchNormalization", [graph.find_value(node), *inputs], addition.output, f"{name}/normalization", epsilon=0.0
    )
    graph.replace([node, addition], normalization)


def _is_by_channel(weights: npt.NDArray[Any]) -> bool:
    """Whether weights have a number for each of several channels, the second of four axes; one number may be of any."""
    return weights.ndim == 4 and weights.size == weights.shape[1] > 1  # noqa: PLR2004  # image, channel, row, column
