"""Arithmetic outside of any layer in a model's configuration, as `image / 255` and `x + y`: layers that do the same."""

from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from fashion_api.errors import ModelError

Config = dict[str, Any]

_ARITHMETIC: Mapping[str, str] = {
    # TensorFlowOpLayer, TensorFlow 1.14-2.3
    "RealDiv": "divide",
    "Mul": "multiply",
    "Add": "add",
    "AddV2": "add",
    "Sub": "subtract",
    # TFOpLambda, TensorFlow 2.4-2.15
    "math.truediv": "divide",
    "math.divide": "divide",
    "math.multiply": "multiply",
    "math.add": "add",
    "__operators__.add": "add",
    "math.subtract": "subtract",
    # Keras 3
    "Divide": "divide",
    "TrueDivide": "divide",
    "Multiply": "multiply",
    "Subtract": "subtract",
}
"""The operations of tensors outside of any layer, as in `image / 255` and `x + y`."""
_WITH_NUMBER: Mapping[str, Callable[[float], tuple[float, float]]] = {
    "divide": lambda number: (1 / number, 0.0),
    "multiply": lambda number: (number, 0.0),
    "add": lambda number: (1.0, number),
    "subtract": lambda number: (1.0, -number),
    "subtract from": lambda number: (-1.0, number),
}
"""The scale and the offset of a `Rescaling` that does the same as arithmetic with a number."""
_OF_NUMBER: Mapping[str, str] = {"multiply": "multiply", "add": "add", "subtract": "subtract from"}
"""The arithmetic that has the number first, as in `255 - image`."""
_WITH_TENSOR: Mapping[str, str] = {"multiply": "Multiply", "add": "Add", "subtract": "Subtract"}
"""The layer that does the same as arithmetic with another tensor."""


def replace_arithmetic(layer: Config) -> None:
    """Put a layer in the place of arithmetic outside of any: with a number a `Rescaling`, else an `Add` for example."""
    found = _read_arithmetic(layer)
    if found is None:
        return
    written, operand, tensor, is_operand_first = found
    operation, name = _ARITHMETIC.get(str(written), ""), name_layer(layer)
    if is_operand_first:
        operation = _OF_NUMBER.get(operation, "")
    if isinstance(operand, int | float) and not isinstance(operand, bool) and operand and operation:
        scale, offset = _WITH_NUMBER[operation](operand)
        layer |= {"class_name": "Rescaling", "config": {"name": name, "scale": scale, "offset": offset}}
        layer["inbound_nodes"] = [tensor]
    elif operation in _WITH_TENSOR and _is_tensor(operand):
        layer |= {"class_name": _WITH_TENSOR[operation], "config": {"name": name}}
        is_keras_3 = isinstance(tensor, dict)
        layer["inbound_nodes"] = [
            {"args": [[*tensor["args"], operand]], "kwargs": {}} if is_keras_3 else [*tensor, [*operand[:3], {}]]
        ]
    else:
        raise ModelError(
            f"it has {layer['class_name']!r}, its layer {name!r:.60}: the operation {written!r:.60} outside of any "
            "layer; write it with layers (Rescaling, for arithmetic with a number), and save the model anew"
        )
    layer |= {"name": name, "module": "keras.layers", "registered_name": None}


def _read_arithmetic(layer: Config) -> tuple[object, Any, Any, bool] | None:
    """Read an operation outside of any layer: its name, an operand, its call with the other one, which comes first."""
    config, nodes = layer["config"], layer.get("inbound_nodes")
    match layer["class_name"], nodes:
        case "TensorFlowOpLayer", [[first]] if list(config["constants"]) in (["0"], ["1"]):
            [(place, number)] = config["constants"].items()
            return config["node_def"]["op"], number, [first], place == "0"
        case "TensorFlowOpLayer", [[first, second]] if not config["constants"]:
            return config["node_def"]["op"], second, [first], False
        case "TFOpLambda", ([[str(), int(), _, {"y": other}] as first] | [[[str(), int(), _, {"y": other}] as first]]):
            is_operand_first = first[0] == "_CONSTANT_VALUE"
            operand, tensor = (first[2], other) if is_operand_first else (other, first)
            return config["function"], operand, [[*tensor[:3], {}]], is_operand_first
        case ("TrueDivide" | "Divide" | "Multiply" | "Add" | "Subtract") as name, [{"args": [one, other]}]:
            is_operand_first = isinstance(one, int | float)
            operand, tensor = (one, other) if is_operand_first else (other, one)
            return name, operand, {"args": [tensor], "kwargs": {}}, is_operand_first
        case (("TensorFlowOpLayer" | "TFOpLambda"), _):
            return config.get("function") or config.get("name"), None, None, False
    return None


def is_link(value: object) -> TypeGuard[list[Any]]:
    """Whether a value is `[name, call, output]`, with the arguments of another call behind it or not."""
    return isinstance(value, list) and len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int)


def _is_tensor(operand: object) -> bool:
    """Whether an operand is the output of a layer, and no array of numbers."""
    return operand.get("class_name") == "__keras_tensor__" if isinstance(operand, dict) else is_link(operand)


def name_layer(layer: Config) -> str:
    """Give the name of a layer, which stands beside its configuration or within it."""
    name = layer.get("name") or layer["config"].get("name")
    return name if isinstance(name, str) else "without a name"
