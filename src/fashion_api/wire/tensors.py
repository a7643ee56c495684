"""Tensors of the inference protocols: to the pixels that a model takes, and from its predictions. Knows no protocol.

Three forms of images are read: pixels from 0 to 255 as numbers of any type, pixels from 0 to 1 as floats, and picture
files as bytes.
"""

import functools
import math
import struct
from collections.abc import Generator, Iterable, Mapping, Sequence
from functools import reduce
from operator import iconcat
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from fashion_api.errors import ImageError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.resizing import Resize
from fashion_api.settings import FURTHER_OUTPUTS
from fashion_api.wire.operation import Step
from fashion_api.wire.sized_images import SizedImages
from fashion_api.wire.uploads import decode_files
from fashion_api.wire.validation import name_json_type, name_value, to_whole_number, write_location, wrong

PixelRange = Literal["0-1", "0-255"]
"""What black and white are."""
Array = npt.NDArray[Any]

BYTES: Final = "BYTES"
BF16: Final = "BF16"
NUMBERS: Final[Mapping[str, np.dtype[Any]]] = MappingProxyType(
    {
        "UINT8": np.dtype("<u1"),
        "UINT16": np.dtype("<u2"),
        "UINT32": np.dtype("<u4"),
        "UINT64": np.dtype("<u8"),
        "INT8": np.dtype("<i1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
        "FP16": np.dtype("<f2"),
        "FP32": np.dtype("<f4"),
        "FP64": np.dtype("<f8"),
        BF16: np.dtype("<u2"),
    }
)
"""The types of numbers that pixels may have, by their names in the Open Inference Protocol, and how each lies in
memory; NumPy has no BF16."""

_CODES: Final = MappingProxyType(
    {"|u1": "B", "|i1": "b", "<u2": "H", "<i2": "h", "<u4": "I", "<i4": "i", "<u8": "Q", "<i8": "q", "<f8": "d"}
)
"""How `struct` calls the types that JSON is read as."""
_FLOATS = ("FP16", "FP32", "FP64", BF16)
_PIXEL_MAX = 255
_MAX_RANK = 4
_LENGTH_BYTES = 4
PROBABILITIES = "probabilities"
"""The output that is always there."""


class Tensor(NamedTuple):
    """A tensor of a request."""

    name: str
    """What the request calls it, as in `image`."""
    datatype: str
    """One of `NUMBERS`, or `BYTES`."""
    shape: Sequence[int]
    values: Array | Sequence[bytes]
    """Its elements, row by row: an array of one dimension, or byte strings."""


def read_tensor(  # noqa: PLR0913  # what a tensor is read by
    tensor: Tensor,
    spec: InputSpec,
    *,
    max_images: int,
    pixel_range: PixelRange = "0-255",
    resize: Resize | None = None,
    advice: str = "",
) -> Generator[Step, None, SizedImages]:
    """Read the images of a tensor, in steps.

    Args:
        tensor: as many values as its shape says, which need not be checked before.
        spec: what an image is.
        max_images: the most images.
        pixel_range: what black and white are in a tensor of numbers.
        resize: what is done with picture files of another size; `None`: they are refused.
        advice: how a caller sends pixels of the other range.

    Returns:
        From 1 to `max_images` images.

    Raises:
        InvalidRequestError: the shape or a value is wrong; says which, and what is accepted.
    """
    if tensor.datatype != BYTES:
        return SizedImages(read_numbers(tensor, spec, max_images=max_images, pixel_range=pixel_range, advice=advice))
    check_size(tensor, spec, max_images=max_images)
    contents: Any = tensor.values
    try:
        return (yield from decode_files(contents, spec, resize, name=tensor.name))
    except ImageError as error:
        raise wrong(f"{tensor.name}[0]", str(error)) from None


def read_numbers(
    tensor: Tensor, spec: InputSpec, *, max_images: int, pixel_range: PixelRange = "0-255", advice: str = ""
) -> Images:
    """Read the images of a tensor of numbers, as `read_tensor` does, at once.

    Raises:
        InvalidRequestError: the shape or a value is wrong; says which, and what is accepted.
    """
    check_size(tensor, spec, max_images=max_images)
    values = np.asarray(tensor.values)
    return _read_pixels(tensor.name, values.reshape(-1, *spec.shape), pixel_range, advice)


def list_shapes(spec: InputSpec) -> list[tuple[int, ...]]:
    """List the shapes of tensors of pixels, -1 for the number of images; the first is the one that metadata names."""
    height, width = spec.size
    if spec.channels > 1:
        return [(-1, height, width, spec.channels)]
    return [(-1, height, width, 1), (-1, height, width), (-1, height * width)]


def count_elements(name: str, datatype: str, shape: Sequence[int], spec: InputSpec, *, max_images: int) -> int:
    """Check the shape of a tensor of images, however long it is, and count the elements that it means.

    Raises:
        InvalidRequestError: it is none of those that are read, or means no images or too many.
    """
    accepted = [(-1,), (-1, 1)] if datatype == BYTES else list_shapes(spec)
    found = tuple(shape[: _MAX_RANK + 1])
    if not found or (-1, *found[1:]) not in accepted:
        wanted = " or ".join(f"[{', '.join(map(str, other))}]" for other in accepted)
        meaning = "n picture files" if datatype == BYTES else "n images, rows, columns, channels last"
        raise wrong(name, f"has the shape {_write_shape(shape)}, but must have {wanted}: {meaning}".replace("-1", "n"))
    if not 1 <= found[0] <= max_images:
        raise wrong(name, f"holds {found[0]} images, but one request may hold 1 to {max_images}")
    return math.prod(found)


def check_size(tensor: Tensor, spec: InputSpec, *, max_images: int) -> None:
    """Check that a tensor of images has a shape that is read, and as many values as that means.

    Raises:
        InvalidRequestError: it has not.
    """
    size = count_elements(tensor.name, tensor.datatype, tensor.shape, spec, max_images=max_images)
    if len(tensor.values) != size:
        written = _write_shape(tensor.shape)
        raise wrong(tensor.name, f"has {len(tensor.values)} values, but its shape {written} means {size}")


def _write_shape(shape: Sequence[int]) -> str:
    written = ", ".join(map(str, shape[: _MAX_RANK + 1]))
    return f"[{written:.200}{', …' if len(shape) > _MAX_RANK + 1 else ''}]"


def _read_pixels(name: str, values: Array, pixel_range: PixelRange, advice: str) -> Images:
    """Give whole pixels: floats are rounded to the nearest."""
    if values.dtype == np.uint8 and pixel_range == "0-255":
        return values
    most = 1 if pixel_range == "0-1" else _PIXEL_MAX
    if pixel_range == "0-1" and values.dtype.kind != "f":
        raise wrong(name, f"pixels from 0 to 1 must be floats{advice}")
    if not (values.min() >= 0 and values.max() <= most):  # NaN is neither
        is_right = (values >= 0) & (values <= most)
        place = tuple(int(index) for index in np.argwhere(~is_right)[0])
        kind = "a number" if values.dtype.kind == "f" else "a whole number"
        other = advice if most == 1 and most < values[place] <= _PIXEL_MAX else ""
        raise wrong(write_location((name, *place)), f"must be {kind} from 0 to {most}, not {values[place]}{other}")
    if values.dtype.kind != "f":
        return values.astype(np.uint8)
    if most == 1:
        values = values * np.float64(_PIXEL_MAX)
    elif 0 < values.max() <= 1:
        raise wrong(name, f"has pixels from 0 to 1, where they must be from 0 to {_PIXEL_MAX}{advice}")
    return np.rint(values).astype(np.uint8)


def unpack_numbers(name: str, content: bytes | memoryview, datatype: str) -> Array:
    """Read the numbers of a tensor in little-endian bytes; of BF16, as float32.

    Raises:
        InvalidRequestError: the bytes are no whole number of elements.
    """
    dtype = NUMBERS[datatype]
    if len(content) % dtype.itemsize:
        raise wrong(name, f"has {len(content)} bytes, but each {datatype} has {dtype.itemsize}")
    values = np.frombuffer(content, dtype)
    return (values.astype(np.uint32) << 16).view(np.float32) if datatype == BF16 else values


def unpack_bytes(name: str, content: bytes | memoryview, *, most: int) -> list[bytes]:
    """Read the elements of a `BYTES` tensor: each is its length, four bytes in little-endian order, and its content.

    Raises:
        InvalidRequestError: an element goes on after the end, or there are more than `most`.
    """
    found: list[bytes] = []
    start = 0
    while start < len(content):
        if len(found) == most:
            raise wrong(name, f"has more elements than the {most} that its shape means")
        first = start + _LENGTH_BYTES
        end = first + int.from_bytes(content[start:first], "little")
        if first > len(content) or end > len(content):
            raise wrong(f"{name}[{len(found)}]", "is cut short: its length says more bytes than there are")
        found.append(bytes(content[first:end]))
        start = end
    return found


def pack_bytes(elements: Iterable[bytes]) -> bytes:
    """Write the elements of a `BYTES` tensor, as `unpack_bytes` reads them."""
    return b"".join(len(element).to_bytes(_LENGTH_BYTES, "little") + element for element in elements)


def flatten(name: str, data: object) -> tuple[list[Any], tuple[int, ...]]:
    """Flatten nested lists, row by row.

    Returns:
        The values, and the shape.

    Raises:
        InvalidRequestError: they are ragged or empty, too deep, or `data` is no list.
    """
    if not isinstance(data, list):
        raise wrong(name, f"must be a list, not {name_json_type(data)}")
    values, shape = data, [len(data)]
    while values and isinstance(values[0], list):
        if len(shape) == _MAX_RANK:
            raise wrong(name, f"has more than {_MAX_RANK} lists within one another")
        # A generator would take twice as long over 784 lists of one value.
        if set(map(type, values)) != {list} or len(set(map(len, values))) > 1:
            raise wrong(name, "is ragged: lists beside one another must have the same length")
        shape.append(len(values[0]))
        inner: list[Any] = []
        values = reduce(iconcat, values, inner)
    return values, tuple(shape)


def parse_numbers(
    name: str, values: Sequence[Any], datatype: str, shape: Sequence[int] = (), *, may_hold_booleans: bool = True
) -> Array:
    """Give the numbers of a flat list of JSON values, of a declared type.

    Args:
        name: what the request calls the tensor.
        values: its elements, row by row.
        datatype: one of `NUMBERS`.
        shape: that the values are said to have; where it is theirs, a wrong one is named by image, row and column.
        may_hold_booleans: whether there may be booleans among the values; `False` saves looking for them.

    Raises:
        InvalidRequestError: a value is no number of this type; says which.
    """
    dtype: np.dtype[Any] = np.dtype(np.float64) if datatype in _FLOATS else NUMBERS[datatype]
    packed = _pack(values, dtype)
    if packed is None and dtype.kind != "f":  # 1.0 is a whole number too, as some languages write it
        values = [value if (whole := to_whole_number(value)) is None else whole for value in values]
        packed = _pack(values, dtype)
    if packed is not None and not (may_hold_booleans and bool in map(type, values)):
        return np.frombuffer(packed, dtype)
    types = (int, float) if dtype.kind == "f" else (int,)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    low, high = int(limits.min), int(limits.max)
    position = next(
        position
        for position, value in enumerate(values)
        if type(value) not in types or (type(value) is int and not low <= value <= high)
    )
    wanted = "a number" if dtype.kind == "f" else f"a whole number from {low} to {high}"
    is_theirs = min(shape, default=0) > 0 and math.prod(shape[: _MAX_RANK + 1]) == len(values)
    place = _locate(name, position, shape if is_theirs else ())
    raise wrong(place, f"must be {wanted} ({datatype}), not {name_value(values[position])}")


def _pack(values: Sequence[Any], dtype: np.dtype[Any]) -> bytes | None:
    """Pack numbers and booleans, in half the time that np.array takes; `None` where another or too large a value is."""
    try:
        return struct.pack(f"<{len(values)}{_CODES[dtype.str]}", *values)
    except (OverflowError, struct.error):
        return None


def _locate(name: str, position: int, shape: Sequence[int]) -> str:
    place = np.unravel_index(position, tuple(shape)) if shape else (position,)
    return write_location((name, *map(int, place)))


class OutputSpec(NamedTuple):
    """An output that a caller may ask for."""

    key: str
    """`PROBABILITIES` or one of `FURTHER_OUTPUTS`."""
    datatype: str
    """In the words of the Open Inference Protocol."""
    shape: tuple[int, ...]
    """-1 for the number of images."""


def list_outputs(model: LoadedModel) -> tuple[OutputSpec, ...]:
    """List what can be asked of a model; the first are the probabilities."""
    calibration = model.calibration
    return _list_outputs(len(model.labels), has_novelty=calibration is not None and calibration.novelty is not None)


@functools.lru_cache  # every request asks
def _list_outputs(classes: int, *, has_novelty: bool) -> tuple[OutputSpec, ...]:
    types = {"label": BYTES, "class_id": "INT64", "probability": "FP32", "novelty": "FP32", "accepted": "BOOL"}
    further = FURTHER_OUTPUTS if has_novelty else FURTHER_OUTPUTS[:3]
    return (OutputSpec(PROBABILITIES, "FP32", (-1, classes)), *[OutputSpec(key, types[key], (-1,)) for key in further])


def compute_output(key: str, model: LoadedModel, predictions: Predictions) -> Array:
    """Compute an output of predictions.

    Returns:
        Of n images: `probabilities` float32[n, classes], `label` object[n] (bytes in UTF-8), `class_id` int64[n],
        `probability` float32[n], `novelty` float32[n] (over 1: not accepted), `accepted` bool[n].
    """
    class_ids = predictions.class_ids
    match key:
        case "probabilities":
            return predictions.probabilities
        case "label":
            return np.array([model.labels[class_id].encode() for class_id in class_ids], object)
        case "class_id":
            return class_ids.astype(np.int64)
        case "probability":
            return predictions.probabilities[np.arange(len(class_ids)), class_ids]
    thresholds = None if model.calibration is None else model.calibration.novelty
    if thresholds is None or predictions.novelty is None:
        raise ValueError(f"{key} is no output of this model")
    novelty = thresholds.scale(predictions.novelty, class_ids)
    return novelty <= 1 if key == "accepted" else novelty.astype(np.float32)


def describe_classes(probabilities: Array, labels: Sequence[str], most: int) -> list[list[str]]:
    """Write the most probable classes of each image as `value:index:label`, the lower index first among equals.

    Args:
        probabilities: float32[n, classes].
        labels: of the classes.
        most: how many classes.
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :most]
    return [
        [f"{row[class_id]:.6f}:{class_id}:{labels[class_id]}" for class_id in class_ids]
        for row, class_ids in zip(probabilities.tolist(), order.tolist(), strict=True)
    ]
