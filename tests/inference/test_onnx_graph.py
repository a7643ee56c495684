"""The check of an ONNX file before ONNX Runtime reads it."""

from typing import Any

import numpy as np
import pytest
from onnx import AttributeProto, GraphProto, NodeProto, helper, numpy_helper

from fashion_api.errors import DamagedModelError
from fashion_api.inference.onnx_graph import check_graph
from tests.inference.onnx_files import keep_elsewhere, make_onnx

WEIGHTS = numpy_helper.from_array(np.ones((5, 3), np.float32), "weights")
PLAIN = helper.make_node("MatMul", ["images", "weights"], ["probabilities"])


def make_subgraph(operator: str) -> GraphProto:
    """The graph that a loop repeats."""
    return helper.make_graph([helper.make_node(operator, ["images"], ["probabilities"])], "inner", [], [])


def with_attribute(**values: Any) -> NodeProto:  # noqa: ANN401  # the protocol buffer's fields
    """A node with one more attribute."""
    node = helper.make_node("Constant", [], ["probabilities"])
    node.attribute.append(AttributeProto(name="value", **values))
    return node


def make_loop(operator: str) -> NodeProto:
    """A loop around an operator, as recurrent layers are exported."""
    return helper.make_node("Loop", ["", ""], ["probabilities"], body=make_subgraph(operator))


def test_loop_of_operators_of_the_list_passes() -> None:
    """A recurrent layer, which is exported as a loop, passes."""
    check_graph(make_onnx(make_loop("Tanh")))


def test_plain_graph_passes() -> None:
    """A graph that has its weights, and operators of the list, passes."""
    check_graph(make_onnx(PLAIN, initializers=(WEIGHTS,)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (make_onnx(PLAIN, initializers=(keep_elsewhere(WEIGHTS, "/etc/passwd"),)), "weights in another file"),
        (make_onnx(PLAIN, initializers=(keep_elsewhere(WEIGHTS, "weights.bin"),)), "weights in another file"),
        (
            make_onnx(with_attribute(t=keep_elsewhere(WEIGHTS, "../x"), type=AttributeProto.TENSOR)),
            "weights in another file",
        ),
        (make_onnx(helper.make_node("RandomUniform", [], ["probabilities"], shape=[9])), "operator 'RandomUniform'"),
        (make_onnx(helper.make_node("StringConcat", ["a", "b"], ["c"])), "operator 'StringConcat'"),
        (make_onnx(helper.make_node("Relu", ["a"], ["b"], domain="com.microsoft")), "operator of 'com.microsoft'"),
        (make_onnx(make_loop("RandomUniformLike")), "operator 'RandomUniformLike'"),
        (
            make_onnx(with_attribute(graphs=[make_subgraph("Bernoulli")], type=AttributeProto.GRAPHS)),
            "operator 'Bernoulli'",
        ),
        (
            make_onnx(PLAIN, functions=[helper.make_function("own", "f", ["x"], ["y"], [PLAIN], [])]),
            "functions of its own",
        ),
        (b"nonsense", "is not an ONNX file"),
        (make_onnx(PLAIN, initializers=(WEIGHTS,))[:-1], "is not an ONNX file"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "is not an ONNX file"),
        (b"\x38\x01", "is not an ONNX file"),
    ],
    ids=[
        "another file",
        "a file beside it",
        "a constant in another file",
        "random numbers",
        "text",
        "extension",
        "graph in an attribute",
        "graphs in an attribute",
        "functions",
        "nonsense",
        "cut off",
        "endless number",
        "number in place of a graph",
    ],
)
def test_graph_that_the_compiler_does_not_build_is_refused(content: bytes, reason: str) -> None:
    """A graph with weights elsewhere, or with what is not on the list, is refused with the reason."""
    with pytest.raises(DamagedModelError, match=reason):
        check_graph(content)
