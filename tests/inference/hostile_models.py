"""Hostile `.h5` files, each a small model that is valid but for one thing, made without Keras."""

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import h5py
import numpy as np

Change = Callable[[h5py.File], None]
Config = dict[str, Any]

KERNEL, BIAS = "model_weights/dense/dense/kernel:0", "model_weights/dense/dense/bias:0"


def make_config(*layers: Config) -> Config:
    """The configuration of a model of images of 4×5, with `layers` before its last."""
    return {
        "class_name": "Sequential",
        "config": {
            "name": "sequential",
            "layers": [
                {"class_name": "InputLayer", "config": {"batch_shape": [None, 4, 5, 1], "name": "image"}},
                *layers,
                {"class_name": "Flatten", "config": {"name": "flatten"}},
                {"class_name": "Dense", "config": {"name": "dense", "units": 3, "activation": "softmax"}},
            ],
        },
    }


def make_h5(*changes: Change, config: Config | str | None = None, **options: Any) -> bytes:  # noqa: ANN401  # h5py's
    """A model's file, after these changes."""
    content = io.BytesIO()
    with h5py.File(content, "w", **options) as file:
        text = config if isinstance(config, str) else json.dumps(config or make_config())
        file.attrs["model_config"] = text.encode()
        file.attrs["keras_version"] = "2.15.0"
        file[KERNEL] = np.zeros((20, 3), np.float32)
        file[BIAS] = np.zeros(3, np.float32)
        file["model_weights"].attrs["layer_names"] = [b"flatten", b"dense"]
        file["model_weights/dense"].attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        file.create_group("model_weights/flatten").attrs["weight_names"] = np.zeros(0)
        for change in changes:
            change(file)
    return content.getvalue()


def with_layer(
    class_name: str, *, module: str | None = None, registered_name: str | None = None, **config: object
) -> bytes:
    """A model with one more layer."""
    layer: Config = {"class_name": class_name, "config": {"name": "more", **config}}
    if module or registered_name:
        layer |= {"module": module, "registered_name": registered_name}
    return make_h5(config=make_config(layer))


# Code

_CODE = "4wEAAAAAAAAAAAAAAAEAAAACAAAA8wQAAACXAHwAUwA="
_LAMBDA = {"class_name": "Lambda", "config": {"name": "lambda", "function": [_CODE, None, None]}}
CODE: Mapping[str, bytes] = {
    "Lambda of Keras 3": with_layer(
        "Lambda", function={"class_name": "__lambda__", "config": {"code": _CODE, "defaults": None, "closure": None}}
    ),
    "Lambda of Keras 2": with_layer("Lambda", function=[_CODE, None, None], function_type="lambda"),
    "Lambda of a named function": with_layer("Lambda", function="system", function_type="function", module="os"),
    "operation of TensorFlow": with_layer("TFOpLambda", function="io.write_file"),
    "node of a TensorFlow graph": with_layer("TensorFlowOpLayer", node_def="op: 'WriteFile'"),
    "TensorFlow SavedModel": with_layer("TFSMLayer", filepath="/tmp/saved_model"),  # noqa: S108  # it is never read
    "function of os": with_layer("system", module="os"),
    "class of subprocess": with_layer("Popen", module="subprocess", registered_name="Popen"),
    "Keras's class of another module": with_layer("Dense", module="os", units=3),
    "registered class": with_layer("Dense", module="keras.layers", registered_name="Evil>Dense", units=3),
    "function as an activation": with_layer(
        "Dense", units=3, activation={"module": "builtins", "class_name": "function", "config": "eval"}
    ),
    "function as an activation, of Keras 3": with_layer(
        "Dense",
        units=3,
        activation={"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"},
    ),
    "activation of os": with_layer("Activation", activation="os.system"),
    "initialiser of subprocess": with_layer("Dense", units=3, kernel_initializer={"class_name": "Popen", "config": {}}),
    "Lambda in TimeDistributed": with_layer("TimeDistributed", layer=_LAMBDA),
    "Lambda in Bidirectional": with_layer(
        "Bidirectional", layer={"class_name": "LSTM", "config": {"units": 3}}, backward_layer=_LAMBDA
    ),
    "Lambda in a model in a model": make_h5(config=make_config(make_config(_LAMBDA))),
    "Lambda in the cell of an RNN": with_layer("RNN", cell=_LAMBDA),
    "Lambda in the arguments of a call": with_layer("Dense", units=3, build_config={"input": [[[_LAMBDA]]]}),
}
"""Files that name code, which Keras would import or run."""

# Other places


def _link(name: str, link: object) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]
        file[name] = link

    return change


def _name_data_often(file: h5py.File) -> None:
    for number in range(50):
        file[f"model_weights/dense/dense/copy_{number}"] = file[KERNEL]


def _contain_itself(file: h5py.File) -> None:
    file["model_weights/dense/dense/loop"] = file["model_weights"]


def _take_from_another_file(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (20, 3), np.float32, external=[("/etc/passwd", 0, 240)])


def _be_virtual(file: h5py.File) -> None:
    del file[KERNEL]
    layout = h5py.VirtualLayout((20, 3), np.float32)
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (20, 3))
    file.create_virtual_dataset(KERNEL, layout)


def _be_virtual_in_itself(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((50, 20, 3), np.float32)
    for number in range(50):
        layout[number] = h5py.VirtualSource(".", KERNEL, (20, 3))
    file.create_virtual_dataset("model_weights/dense/dense/wide", layout)


def _name_weights(*names: bytes) -> Change:
    def change(file: h5py.File) -> None:
        file["model_weights/dense"].attrs["weight_names"] = list(names)

    return change


def _name_weights_past_a_nul(file: h5py.File) -> None:
    file["model_weights/dense"].attrs["weight_names"] = np.array(
        [b"dense/kernel:0\0%d." % number for number in range(50)]
    )


def _name_weights_in_a_text(file: h5py.File) -> None:
    file["model_weights/dense/k"] = np.zeros((20, 3), np.float32)
    file["model_weights/dense"].attrs["weight_names"] = "k" * 50


def _share_over_layers(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = [b"dense", b"dense/dense"]
    file["model_weights/dense/dense"].attrs["weight_names"] = [b"kernel:0"]


def _name_layer_twice(file: h5py.File) -> None:
    file["model_weights"].attrs["layer_names"] = [b"dense"] * 50


PLACES: Mapping[str, bytes] = {
    "soft link": make_h5(_link(KERNEL, h5py.SoftLink("/" + BIAS))),
    "soft link that leads nowhere": make_h5(_link(KERNEL, h5py.SoftLink("/nowhere"))),
    "soft link in place of the weights": make_h5(_link("model_weights", h5py.SoftLink("/"))),
    "external link": make_h5(_link(KERNEL, h5py.ExternalLink("/etc/passwd", "/"))),
    "data set with fifty names": make_h5(_name_data_often),
    "group in itself": make_h5(_contain_itself),
    "data in another file": make_h5(_take_from_another_file),
    "virtual data of another file": make_h5(_be_virtual),
    "virtual data of itself": make_h5(_be_virtual_in_itself),
    "same weights fifty times": make_h5(_name_weights(*[b"dense/kernel:0"] * 50)),
    "weights of the root": make_h5(_name_weights(b"/" + KERNEL.encode(), b"dense/bias:0")),
    "weights by a detour": make_h5(_name_weights(b"dense/./kernel:0", b"dense/kernel:0")),
    "weights by names that differ past a NUL": make_h5(_name_weights_past_a_nul),
    "weights by a text in place of a list": make_h5(_name_weights_in_a_text),
    "weights of two layers": make_h5(_share_over_layers),
    "layer fifty times": make_h5(_name_layer_twice),
}
"""Files whose weights are elsewhere, or are read more than once."""

# Sizes


def _replace_kernel(shape: tuple[int, ...] = (20, 3), **options: Any) -> Change:  # noqa: ANN401  # h5py's
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file.create_dataset(KERNEL, shape, np.float32, **options)

    return change


def _fill_with(value: float) -> Change:
    def change(file: h5py.File) -> None:
        file[KERNEL][3, 1] = value

    return change


def _compress_zeros(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, data=np.zeros((1000, 10_000), np.float32), compression="gzip", compression_opts=9)


def _put_kernel(data: Any) -> Change:  # noqa: ANN401  # what h5py takes
    def change(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = data

    return change


def _make_numbers_of_any_length(file: h5py.File) -> None:
    del file[KERNEL]
    file.create_dataset(KERNEL, (3,), h5py.vlen_dtype(np.float32))


def _make_groups(count: int) -> Change:
    def change(file: h5py.File) -> None:
        for number in range(count):
            file.create_group(f"model_weights/dense/{number}")

    return change


def _nest_groups(depth: int) -> Change:
    def change(file: h5py.File) -> None:
        file.create_group("model_weights/" + "/".join("a" * depth))

    return change


def _make_attributes(file: h5py.File) -> None:
    for number in range(500):
        file.attrs[f"a{number}"] = "b"


def make_attribute_bomb() -> bytes:
    """A model with 3,900 names of layers, all of them the same text of 400 kB: 1.6 GB, which is read at once."""
    text, count, reference_bytes = b"x" * 400_000, 3900, 16

    def name_layers(file: h5py.File) -> None:
        names = [text, *[b"%05d" % number for number in range(1, count)]]
        file["model_weights"].attrs.create("layer_names", names, dtype=h5py.string_dtype())

    content = make_h5(name_layers)
    first = content.index(len(text).to_bytes(4, "little"))
    references = slice(first, first + count * reference_bytes)
    return content[:first] + content[first : first + reference_bytes] * count + content[references.stop :]


def _refer(file: h5py.File) -> None:
    file.attrs["elsewhere"] = file[KERNEL].ref


def _configure_by_number(file: h5py.File) -> None:
    file.attrs["model_config"] = 10**12


def without(name: str) -> Change:
    """A change that leaves out an attribute or a group of the file."""

    def change(file: h5py.File) -> None:
        del (file.attrs if name in file.attrs else file)[name]

    return change


def make_twins() -> bytes:
    """A file with twenty data sets of 100 kB that all have the bytes of the first."""
    shape, data_bytes = (20, 1250), 100_000

    def declare(file: h5py.File) -> None:
        del file[KERNEL]
        file[KERNEL] = np.zeros(shape, np.float32)
        for number in range(20):
            file.create_dataset(f"model_weights/dense/dense/twin_{number}", shape, np.float32)

    content = make_h5(declare)
    with h5py.File(io.BytesIO(content)) as file:
        address = file[KERNEL].id.get_offset()
    size, nowhere = data_bytes.to_bytes(8, "little"), b"\xff" * 8
    return content.replace(nowhere + size, address.to_bytes(8, "little") + size)


def make_endless_heap(size: int) -> bytes:
    """A file whose texts are followed by a free space of this size; it has 3,608 bytes."""
    content = bytearray(make_h5())
    at = content.index(b"GCOL") + 16
    while index := int.from_bytes(content[at : at + 2], "little"):
        length = int.from_bytes(content[at + 8 : at + 16], "little")
        at += 16 + (length + 7) // 8 * 8
    assert index == 0
    content[at + 8 : at + 16] = size.to_bytes(8, "little")
    return bytes(content)


def make_long_text() -> bytes:
    """A file of 10 kB whose configuration is said to have 4 GB, for which HDF5 makes room before it looks for them."""
    text = json.dumps(make_config()).encode()
    said = len(text).to_bytes(4, "little")
    content = make_h5()
    position = content.index(said)
    return content[:position] + b"\xf0\xff\xff\xff" + content[position + 4 :]


_DEEP: list[object] = []
for _ in range(200):
    _DEEP = [_DEEP]
_LAYERS = [{"class_name": "ReLU", "config": {"name": f"relu_{number}"}} for number in range(3000)]

SIZES: Mapping[str, bytes] = {
    "shape of weights that are not there": make_h5(_replace_kernel((100_000, 10_000))),
    "shape of chunks that are not there": make_h5(_replace_kernel((100_000, 10_000), chunks=(100, 100))),
    "fill value": make_h5(_replace_kernel((10_000, 10_000), fillvalue=1.0)),
    "one place for many data sets": make_twins(),
    "compressed zeros": make_h5(_compress_zeros),
    "compressed, of its size": make_h5(_replace_kernel(compression="gzip")),
    "texts": make_h5(_put_kernel([b"text"] * 3)),
    "records": make_h5(_put_kernel(np.zeros(3, [("a", np.float32), ("b", np.int8)]))),
    "numbers of any length": make_h5(_make_numbers_of_any_length),
    "no data": make_h5(_put_kernel(h5py.Empty("f"))),
    "data type": make_h5(_link(KERNEL, np.dtype([("a", np.float32)]))),
    "NaN": make_h5(_fill_with(float("nan"))),
    "infinity": make_h5(_fill_with(float("-inf"))),
    "groups": make_h5(_make_groups(10_001)),
    "nested groups": make_h5(_nest_groups(50)),
    "attributes": make_h5(_make_attributes, track_order=True),
    "shared texts of an attribute": make_attribute_bomb(),
    "heap without an end": make_endless_heap(0),
    "heap that goes back": make_endless_heap(2**64 - 8),
    "reference": make_h5(_refer),
    "layers": make_h5(config=make_config(*_LAYERS)),
    "outputs": make_h5(
        config=make_config({"class_name": "Functional", "config": {"output_layers": [["image", 0, 0]] * 17}})
    ),
    "axes": with_layer("Reshape", target_shape=[1] * 33),
    "units": with_layer("Dense", units=300_000_000),
    "image": with_layer("InputLayer", batch_shape=[None, 10**9, 10**9, 1]),
    "nested configuration": make_h5(config=make_config({"class_name": "Dense", "config": {"units": _DEEP}})),
    "configuration beyond recursion": make_h5(config="[" * 100_000),
    "long configuration": make_h5(config=make_config({"class_name": "ReLU", "config": {"name": "a" * 5_000_000}})),
    "long number": make_h5(config='{"class_name": "Sequential", "config": ' + "9" * 5000 + "}"),
    "configuration that is no JSON": make_h5(config="{'class_name': os.system}"),
    "configuration that is a number": make_h5(_configure_by_number),
    "configuration that is a list": make_h5(config="[1]"),
}
"""Files that would take more memory or time than their size allows, or hold no numbers to compute with."""
