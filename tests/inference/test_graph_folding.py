"""Rewriting an exported graph."""

import numpy as np
import onnx
import pytest
from onnx import NodeProto, helper, numpy_helper

from fashion_api.images import Images
from fashion_api.inference.graph_folding import fold
from fashion_api.inference.onnx_engine import OnnxClassifier
from tests.inference.onnx_files import make_onnx

RNG = np.random.default_rng(0)
IMAGES: Images = RNG.integers(0, 256, (3, 4, 5)).astype(np.uint8)
WEIGHTS = {
    "number": np.float32(1 / 255),
    "other number": np.float32(1 / 99),
    "shape": np.array([-1, 1, 4, 5]),
    "filters": RNG.normal(size=(2, 1, 3, 3)).astype(np.float32),
    "scales": RNG.normal(size=(1, 2, 1, 1)).astype(np.float32),
    "shifts": RNG.normal(size=(1, 2, 1, 1)).astype(np.float32),
    "matrix": RNG.normal(size=(20, 3)).astype(np.float32),
    "pooled": RNG.normal(size=(2, 3)).astype(np.float32),
}
PIXELS = [helper.make_node("Cast", ["images"], ["pixels"], to=onnx.TensorProto.FLOAT)]
SCALED = [*PIXELS, helper.make_node("Mul", ["pixels", "number"], ["scaled"])]
CONVOLVED = [
    helper.make_node("Reshape", ["scaled", "shape"], ["image"]),
    helper.make_node("Conv", ["image", "filters"], ["convolved"], pads=[1, 1, 1, 1]),
    helper.make_node("GlobalMaxPool", ["convolved"], ["maxima"]),
    helper.make_node("Mul", ["scales", "maxima"], ["stretched"]),
    helper.make_node("Add", ["stretched", "shifts"], ["normalized"]),
    helper.make_node("Flatten", ["normalized"], ["flat"]),
    helper.make_node("MatMul", ["flat", "pooled"], ["logits"]),
]
DENSE = [helper.make_node("Flatten", ["scaled"], ["flat"]), helper.make_node("MatMul", ["flat", "matrix"], ["logits"])]
SHARED = [
    *DENSE[:1],
    helper.make_node("MatMul", ["flat", "matrix"], ["ones"]),
    helper.make_node("Mul", ["pixels", "other number"], ["scaled otherwise"]),
    helper.make_node("Flatten", ["scaled otherwise"], ["flat too"]),
    helper.make_node("MatMul", ["flat too", "matrix"], ["others"]),
    helper.make_node("Sub", ["ones", "others"], ["logits"]),
]
SOFTMAX = [helper.make_node("Softmax", ["logits"], ["probabilities"])]


def make_graph(*nodes: NodeProto) -> bytes:
    """A graph of these nodes with the weights that they take."""
    used = {name for node in nodes for name in node.input}
    weights = tuple(numpy_helper.from_array(value, name) for name, value in WEIGHTS.items() if name in used)
    options = {"opset_imports": [helper.make_opsetid("", 15)], "ir_version": 8}
    return make_onnx(*nodes, initializers=weights, **options)


def list_operators(graph: bytes) -> list[str]:
    """The operators of a graph, in their order."""
    return [node.op_type for node in onnx.load_model_from_string(graph).graph.node]


def test_scale_before_a_convolution_is_folded_and_the_normalisation_behind_the_pooling_named() -> None:
    """A number before a convolution goes into its weights; a multiplication and an addition a channel become one."""
    folded = fold(make_graph(*SCALED, *CONVOLVED, *SOFTMAX))
    assert list_operators(folded) == [
        *("Cast", "Reshape", "Conv", "GlobalMaxPool", "BatchNormalization", "Flatten", "MatMul", "Softmax"),
    ]


@pytest.mark.parametrize("layers", [CONVOLVED, DENSE, SHARED], ids=["convolution", "dense layer", "shared weights"])
def test_folded_graph_computes_the_same(layers: list[NodeProto]) -> None:
    """The probabilities are the same up to rounding, and the weights that are used no more are gone."""
    graph = make_graph(*SCALED, *layers, *SOFTMAX)
    folded = fold(graph)
    ours, theirs = (OnnxClassifier(content, threads=1).classify(IMAGES) for content in (folded, graph))
    np.testing.assert_allclose(ours.probabilities, theirs.probabilities, atol=1e-6)
    assert "number" not in {weights.name for weights in onnx.load_model_from_string(folded).graph.initializer}


@pytest.mark.parametrize(
    "nodes",
    [
        [*SCALED, *DENSE[:1], helper.make_node("Relu", ["flat"], ["flat_"]), *DENSE[1:]],
        [*SCALED, *DENSE, helper.make_node("ReduceMax", ["scaled"], ["brightest"])],
        [*PIXELS, helper.make_node("Mul", ["pixels", "pixels"], ["scaled"]), *DENSE],
    ],
    ids=["no linear layer behind it", "taken twice", "no number"],
)
def test_scale_that_others_depend_on_stays(nodes: list[NodeProto]) -> None:
    """A multiplication that is no number before one linear layer is left as it is."""
    assert "Mul" in list_operators(fold(make_graph(*nodes, *SOFTMAX)))


def test_graph_with_a_loop_is_left_as_it_is() -> None:
    """What the body of a loop takes cannot be seen from outside it."""
    body = helper.make_graph([], "body", [], [])
    graph = make_graph(*SCALED, *DENSE, helper.make_node("Loop", ["", ""], [], body=body), *SOFTMAX)
    assert fold(graph) == graph
