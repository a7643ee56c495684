"""Small ONNX files, made without Keras."""

import numpy as np
import numpy.typing as npt
from onnx import NodeProto, TensorProto, helper, numpy_helper

from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.signature import SIGNATURE, Signature


def make_onnx(*nodes: NodeProto, initializers: tuple[TensorProto, ...] = (), **options: object) -> bytes:
    """A graph of these nodes, from `images` to `probabilities`."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 4, 5])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        initializers,
    )
    model = helper.make_model(graph, **options)
    helper.set_model_props(model, {SIGNATURE: make_signature().model_dump_json()})
    content: bytes = model.SerializeToString()
    return content


def make_signature(**changes: object) -> Signature:
    """The signature of a model of images of 4×5 and three classes."""
    fields: dict[str, object] = {
        "input": InputSpec(height=4, width=5),
        "layout": "image",
        "range_reason": "its manifest says",
        "outputs": 3,
        "output": "probabilities",
        "output_reason": "its last layer is a softmax",
        "has_novelty": False,
    }
    return Signature.model_validate(fields | changes)


def keep_elsewhere(tensor: TensorProto, location: str) -> TensorProto:
    """Weights that are in another file."""
    elsewhere = TensorProto(
        name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, data_location=TensorProto.EXTERNAL
    )
    elsewhere.external_data.add(key="location", value=location)
    return elsewhere


def make_classifier_onnx(
    *, scale: float = 1.0, kernel: npt.NDArray[np.float32] | None = None, location: str | None = None
) -> bytes:
    """The compiled form of a model of images of 4×5 and three classes; its weights may be in another file."""
    kernel = np.full((20, 3), scale, np.float32) if kernel is None else kernel
    weights = numpy_helper.from_array(kernel, "weights")
    if location is not None:
        weights = keep_elsewhere(weights, location)
    return make_onnx(
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
        initializers=(weights,),
        opset_imports=[helper.make_opsetid("", 15)],
        ir_version=8,
    )
