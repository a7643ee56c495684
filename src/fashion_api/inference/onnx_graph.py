"""A check of an ONNX file before ONNX Runtime reads it: the operators that are used, and where the weights are.

The file is read as the protocol buffer that it is (https://protobuf.dev/programming-guides/encoding/), since the
package `onnx` is not installed where the service runs. The numbers of the fields are those of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
"""

from collections.abc import Iterator, Mapping

from fashion_api.errors import DamagedModelError

OPERATORS = frozenset(
    """
    Elu Erf Gelu HardSigmoid HardSwish LeakyRelu LogSoftmax Mish PRelu Relu Selu Sigmoid Softmax Softplus Softsign Tanh
    Abs Add Ceil Clip Cos Div Exp Floor Log Max Mean Min Mod Mul Neg Pow Reciprocal Round Sign Sin Sqrt Sub Sum
    And Equal Greater GreaterOrEqual Less LessOrEqual Not Or Where
    AveragePool BatchNormalization Conv ConvTranspose Einsum GRU Gemm GlobalAveragePool GlobalMaxPool
    InstanceNormalization LRN LSTM LayerNormalization LpNormalization MatMul MaxPool RNN
    ArgMax ArgMin CumSum ReduceL1 ReduceL2 ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare
    Cast Concat Constant ConstantOfShape DepthToSpace Expand Flatten Gather GatherElements GatherND Identity OneHot Pad
    Range Reshape Resize ReverseSequence ScatterElements ScatterND Shape Size Slice SpaceToDepth Split Squeeze Tile TopK
    Transpose Unsqueeze
    If Loop Scan
    """.split()  # noqa: SIM905  # easier to read and to change than a list
)
"""Those that layers of image classifiers are exported to: no random numbers, no text, no extensions."""

_MODEL, _GRAPH, _NODE, _ATTRIBUTE, _TENSOR = "model", "graph", "node", "attribute", "tensor"
_MESSAGES: Mapping[tuple[str, int], str] = {
    (_MODEL, 7): _GRAPH,
    (_GRAPH, 1): _NODE,
    (_GRAPH, 5): _TENSOR,
    (_NODE, 5): _ATTRIBUTE,
    (_ATTRIBUTE, 5): _TENSOR,
    (_ATTRIBUTE, 6): _GRAPH,
    (_ATTRIBUTE, 10): _TENSOR,
    (_ATTRIBUTE, 11): _GRAPH,
}
"""The fields that hold messages which are read in their turn."""
_REFUSED: Mapping[tuple[str, int], str] = {
    (_MODEL, 20): "training steps",
    (_MODEL, 25): "functions of its own",
    (_GRAPH, 15): "sparse weights",
    (_ATTRIBUTE, 22): "sparse weights",
    (_ATTRIBUTE, 23): "sparse weights",
    (_TENSOR, 13): "weights in another file",
    (_TENSOR, 14): "weights in another file",
}
_OPERATOR, _DOMAIN = (_NODE, 4), (_NODE, 7)
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5  # the wire types of protocol buffers


def check_graph(compiled: bytes) -> None:
    """Check that an ONNX file holds all of its weights, and no operator but those of `OPERATORS`.

    Raises:
        DamagedModelError: it does not, or is no ONNX file; the message says what it has.
    """
    try:
        _check_message(_MODEL, memoryview(compiled))
    except (ValueError, IndexError, RecursionError):
        raise DamagedModelError("it is not an ONNX file") from None


def _check_message(kind: str, message: memoryview) -> None:
    for number, value in _read_fields(message):
        place = (kind, number)
        if place in _REFUSED and value != 0:  # a 0 says that the weights are not in another file
            raise DamagedModelError(f"it has {_REFUSED[place]}")
        if place == _OPERATOR and _decode(value) not in OPERATORS:
            raise DamagedModelError(f"it has the operator {_decode(value)!r:.60}, which the compiler never uses")
        if place == _DOMAIN and _decode(value):
            raise DamagedModelError(f"it has an operator of {_decode(value)!r:.60}, which the compiler never uses")
        if place in _MESSAGES:
            if isinstance(value, int):
                raise ValueError("a message was expected")  # as every other fault of the encoding
            _check_message(_MESSAGES[place], value)


def _decode(value: memoryview | int) -> str:
    return str(value) if isinstance(value, int) else bytes(value).decode()


def _read_fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Give the number and the value of each field; of numbers of a fixed size, only that there is one."""
    position = 0
    while position < len(message):
        key, position = _read_varint(message, position)
        number, wire_type = key >> 3, key & 7
        value: memoryview | int = 1
        if wire_type == _VARINT:
            value, position = _read_varint(message, position)
        elif wire_type == _BYTES:
            size, position = _read_varint(message, position)
            value = message[position : position + size]
            position += size
        elif wire_type in (_FIXED_64, _FIXED_32):
            position += 8 if wire_type == _FIXED_64 else 4
        else:
            raise ValueError("an unknown wire type")
        if position > len(message):
            raise ValueError("a field is cut short")
        yield number, value


def _read_varint(message: memoryview, position: int) -> tuple[int, int]:
    """Give a number of seven bits a byte, the lowest first, and the position behind it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004  # the last byte has no highest bit
            return value, position
    raise ValueError("a number is too long")
