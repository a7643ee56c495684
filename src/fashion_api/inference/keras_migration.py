"""The migration of a model's configuration: what Keras 2 wrote, in the words of Keras 3. Its weights stay as they are.

Keras 3 reads the configurations of TensorFlow 2.15 and of most versions before it, but not all that they hold. What is
done to a configuration is said by the tables here, each line with the versions that wrote the old form.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fashion_api.errors import ModelError
from fashion_api.inference.keras_arithmetic import Config, is_link, name_layer, replace_arithmetic

_ANY = object()
_RECURRENT = ("RNN", "LSTM", "GRU", "SimpleRNN", "ConvLSTM1D", "ConvLSTM2D", "Bidirectional", "TimeDistributed")
_SEPARABLE = ("SeparableConv1D", "SeparableConv2D")
_DEPTHWISE = ("DepthwiseConv1D", "DepthwiseConv2D")
_NORMALIZATION = ("BatchNormalization",)
_INITIALIZERS = """
    Zeros Ones Constant RandomNormal RandomUniform TruncatedNormal VarianceScaling Orthogonal Identity GlorotNormal
    GlorotUniform HeNormal HeUniform LecunNormal LecunUniform
""".split()  # noqa: SIM905  # easier to read and to change than a list


@dataclass(frozen=True)
class Argument:
    """An argument that Keras 3 does not take."""

    classes: Sequence[str]
    name: str
    written_by: str
    """The versions that wrote it."""
    means_nothing: Sequence[object] = (_ANY,)
    """The values that say nothing; with another, the model cannot be migrated."""
    now: str | None = None
    """What it is called now; without a name, it is left out."""


ARGUMENTS = (
    Argument(_INITIALIZERS, "dtype", "TensorFlow 1.12-1.15"),
    Argument(_RECURRENT, "time_major", "TensorFlow 1.13-2.15", means_nothing=(False,)),
    Argument(_RECURRENT, "implementation", "Keras 2.0-2.15"),
    Argument(_RECURRENT, "stateful", "Keras 2.0-3"),  # each image is the first; Keras 3 makes states while it builds
    Argument(("LSTMCell", "GRUCell", "SimpleRNNCell"), "implementation", "Keras 2.0-2.15"),
    Argument(_DEPTHWISE + _SEPARABLE, "groups", "TensorFlow 2.3-2.15"),
    *(
        Argument(_DEPTHWISE + _SEPARABLE, f"kernel_{part}", "TensorFlow 1.13-2.15")
        for part in ("initializer", "regularizer", "constraint")
    ),
    Argument(_DEPTHWISE, "filters", "TensorFlow 1.13-2.15"),
    Argument(_NORMALIZATION, "renorm", "TensorFlow 1.13-2.15", means_nothing=(False,)),
    Argument(_NORMALIZATION, "virtual_batch_size", "TensorFlow 1.13-2.15", means_nothing=(None,)),
    Argument(_NORMALIZATION, "fused", "TensorFlow 1.13-2.15"),
    Argument(("LeakyReLU",), "alpha", "Keras 2.0-2.15", now="negative_slope"),
    Argument(("InputLayer",), "batch_input_shape", "Keras 2.0-2.15", now="batch_shape"),
    Argument(("InputLayer",), "ragged", "TensorFlow 1.15-2.15", means_nothing=(False,)),
    Argument(("Conv1DTranspose", "Conv2DTranspose"), "groups", "TensorFlow 2.3-2.15", means_nothing=(1,)),
    Argument(("SpatialDropout1D", "SpatialDropout2D"), "trainable", "Keras 2.0-2.15"),
    Argument(("SpatialDropout1D", "SpatialDropout2D"), "noise_shape", "Keras 2.0-2.15"),
    *(Argument(("MultiHeadAttention",), f"{part}_shape", "TensorFlow 2.4-2.15") for part in ("query", "key", "value")),
    Argument(("Embedding",), "input_length", "Keras 2.0-2.15"),
)
"""The arguments of Keras 2 that are left out or have another name."""

CLASSES: Mapping[str, str] = {
    "Model": "Functional",  # Keras 2.0-2.3, TensorFlow 1.13-2.2
    "BatchNormalizationV1": "BatchNormalization",  # TensorFlow 1.13
    "BatchNormalizationV2": "BatchNormalization",  # TensorFlow 1.13
    "SyncBatchNormalization": "BatchNormalization",  # TensorFlow 2.2-2.15
}
"""The classes that have another name now."""

ACTIVATIONS: Mapping[str, str] = {
    "softmax_v2": "softmax",  # tf.nn.softmax in TensorFlow 2.0-2.15
    "swish_f32": "swish",  # tf.nn.swish in TensorFlow 1.15-2.4
    "log_softmax_v2": "log_softmax",  # tf.nn.log_softmax in TensorFlow 2.0-2.15
}
"""The functions of TensorFlow that were saved by a name of their own."""

_NOT_IN_KERAS_3 = (
    "there is none since Keras 3.0, TensorFlow 2.15 is the last that has it: train it with a Conv2D in its place"
)
GONE: Mapping[str, str] = {
    "LocallyConnected1D": _NOT_IN_KERAS_3,
    "LocallyConnected2D": _NOT_IN_KERAS_3,
    "CuDNNGRU": "it needs a GPU: in TensorFlow 1.15, build the model with GRU(reset_after=True), give it these weights "
    "by load_weights(), and save that",
    "CuDNNLSTM": "it needs a GPU: in TensorFlow 1.15, build the model with LSTM, give it these weights by "
    "load_weights(), and save that",
    "Lambda": "it is code, which is not run: write it with layers (Rescaling, for a division), and save it anew",
    "RandomCrop": "Keras 3 does not crop as TensorFlow 2 did: replace it by Resizing or CenterCrop, and save it anew",
    "Merge": "it is of Keras 1: build the model with Add, Concatenate and such, and save it with Keras 2",
}
"""The layers that no migration brings back, and the way out."""

_MODULES = {"Functional": "keras.src.models.functional", "Sequential": "keras.models"}
"""Where Keras 3 finds models; layers are in `keras.layers`."""
_INNER = ("layer", "backward_layer", "cell", "cells", "activation", "recurrent_activation")
"""What a layer holds other layers under."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.\\>-]")
"""What TensorFlow takes in no name, though a model of such a name, or of another backend's Keras, can be trained."""
_OLD_RESIZING = re.compile(r"2\.[23]\.\d+")
"""The versions of the package keras before it was TensorFlow's own."""


def is_of_keras_2(version: str) -> bool:
    """Whether a version of Keras, as files have it, is one before 3; files without any are."""
    major = version.partition(".")[0]
    return not major.isdigit() or int(major) < 3  # noqa: PLR2004  # the version


def migrate(config: Config, version: str) -> Config:
    """Give the configuration of a model as Keras 3 reads it.

    Args:
        config: a configuration of bounded depth, in which nothing was checked; it stays as it is.
        version: the version of Keras that wrote it, as in `2.2.4-tf`.

    Raises:
        ModelError: a layer cannot be migrated; the message has its name, the reason and the way out.
        AttributeError, IndexError, KeyError, TypeError, ValueError: it is no configuration of Keras.
    """
    migrated: Config = _name_module(_migrate(config))
    if _OLD_RESIZING.fullmatch(version):
        _refuse_old_resizing(migrated)
    return migrated


def _migrate(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Migrate all objects in a value, the outer ones last: layers, models, initialisers and such."""
    if isinstance(value, list):
        return [_migrate(part) for part in value]
    if not isinstance(value, dict):
        return value
    if not isinstance(value.get("class_name"), str) or not isinstance(value.get("config"), dict | list):
        return {key: _migrate(part) for key, part in value.items()}
    if value["class_name"] == "Sequential":
        value = value | {"config": _give_input_layer(value["config"])}
    migrated = {key: _migrate(part) for key, part in value.items() if key != "compile_config"}
    if isinstance(migrated["config"], dict):
        _migrate_object(migrated)
    return migrated


def _migrate_object(layer: Config) -> None:
    """Apply the tables to one object, whose own objects are migrated."""
    replace_arithmetic(layer)
    reason = GONE.get(layer["class_name"])
    if reason is not None:
        raise ModelError(f"it has {layer['class_name']!r}, its layer {name_layer(layer)!r:.60}: {reason}")
    layer["class_name"] = CLASSES.get(layer["class_name"], layer["class_name"])
    kind, config = layer["class_name"], layer["config"]
    for argument in ARGUMENTS:
        if kind in argument.classes and argument.name in config:
            _migrate_argument(layer, argument)
    if isinstance(config.get("name"), str):
        config["name"] = _clean_name(config["name"])
    if kind in _INITIALIZERS and str(layer.get("module")).startswith("tensorflow."):
        layer.update(module="keras.initializers", registered_name=None)  # TensorFlow's own; EfficientNetV2 has some
    for key in config.keys() & _INNER:
        config[key] = _name_activation(_name_module(config[key]))
    if kind != "InputLayer":
        config.pop("batch_input_shape", None)  # its model has an InputLayer
    if kind == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]  # TensorFlow 1.13-2.15
    more = _MORE.get(kind)
    if more is not None:
        more(layer)


def _migrate_argument(layer: Config, argument: Argument) -> None:
    value = layer["config"].pop(argument.name)
    if argument.now is not None:
        layer["config"][argument.now] = value
    elif _ANY not in argument.means_nothing and value not in argument.means_nothing:
        raise ModelError(
            f"its layer {name_layer(layer)!r:.60} has {argument.name}={value!r:.40}, which {argument.written_by} had, "
            "and Keras 3 has not"
        )


def _clean_name(name: str) -> str:
    """Give a name as TensorFlow takes it, with a letter or digit first; Keras 3 has no slash in any."""
    cleaned = _NOT_IN_NAMES.sub(lambda found: f"{ord(found[0]):x}", name.replace("/", "_"))
    return cleaned if cleaned[:1].isalnum() else f"x{cleaned}"


def _name_activation(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Give an activation by the name that it has in Keras."""
    if isinstance(value, dict) and value.get("class_name") == value.get("registered_name") == "function":
        value = value.get("config")  # a function of TensorFlow, Keras 3
    return ACTIVATIONS.get(value, value) if isinstance(value, str) else value


def _name_module(value: Any) -> Any:  # noqa: ANN401  # JSON
    """Say of inner layers where Keras 3 finds them; it does not look for itself there, or takes their axes away."""
    if isinstance(value, list):
        return [_name_module(part) for part in value]
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    kind, module = value.get("class_name"), value.get("module")
    if module is not None and not str(module).startswith("keras."):
        return value  # not Keras's: the check refuses it
    registered = value.get("registered_name")
    return value | {
        "module": _MODULES.get(str(kind), "keras.layers"),
        "registered_name": None if registered == kind else registered,
    }


def _migrate_policy(policy: Config) -> None:
    """Compute in float32 what was computed in float16: a processor has no faster format (TensorFlow 2.1-2.15)."""
    policy.update(module="keras", class_name="DTypePolicy", config={"name": "float32"}, registered_name=None)


def _migrate_gru(layer: Config) -> None:
    layer["config"].setdefault("reset_after", False)  # Keras 2.0-2.1 had no other way


def _migrate_thresholded_relu(layer: Config) -> None:
    layer["class_name"] = "ReLU"  # ThresholdedReLU(theta), Keras 2.0-2.15
    layer["config"]["threshold"] = layer["config"].pop("theta", 1.0)


def _migrate_random_size(layer: Config) -> None:
    """Take `RandomHeight` and `RandomWidth`, of TensorFlow 2.3-2.15, for what they do without training: nothing."""
    layer["class_name"] = "Activation"
    layer["config"] = {"name": layer["config"].get("name"), "activation": "linear"}


def _give_input_layer(model: Any) -> Config:  # noqa: ANN401  # JSON
    """Give a model an `InputLayer`, where its first layer says what it takes (Keras 2.0-2.3, TensorFlow 1.13-2.1)."""
    if isinstance(model, list):  # Keras 2.0-2.2.2
        model = {"name": "sequential", "layers": model}
    layers = model["layers"]
    shape = layers[0]["config"].get("batch_input_shape") if layers and isinstance(layers[0]["config"], dict) else None
    if shape is None or layers[0]["class_name"] == "InputLayer":
        return {"name": "sequential", **model}
    first = {"class_name": "InputLayer", "config": {"batch_shape": shape, "name": f"{name_layer(layers[0])}_input"}}
    return {"name": "sequential", **model, "layers": [first, *layers]}


def _migrate_sequential(model: Config) -> None:
    model["config"]["layers"] = [_name_module(layer) for layer in model["config"]["layers"]]


def _migrate_functional(model: Config) -> None:
    """Rename layers as TensorFlow takes them, and number the calls of inner models as Keras 3 does."""
    config, layers = model["config"], model["config"]["layers"]
    names: dict[str, str] = {}
    taken: set[str] = set()
    for layer in layers:
        name = name_layer(layer)
        free = _clean_name(name)
        while free in taken:
            free = f"{free}_{len(taken)}"
        taken.add(free)
        names[name] = layer["name"] = layer["config"]["name"] = free
    # The first call of a model was its own, until TensorFlow 2.15; in Keras 3 only that of a Functional is, and only
    # where the outputs refer to it.
    is_keras_3 = any(isinstance(node, dict) for layer in layers for node in layer.get("inbound_nodes", ()))
    counted = ("Sequential",) if is_keras_3 else ("Sequential", "Functional")
    models = {name_layer(layer): layer["class_name"] for layer in layers if layer["class_name"] in counted}
    firsts: dict[str, int] = {}
    for name, call in _find_links([config.get("output_layers"), *(layer.get("inbound_nodes") for layer in layers)]):
        if names.get(name) in models:
            firsts[names[name]] = min(call, firsts.get(names[name], call))
    for layer in layers:
        if "inbound_nodes" in layer:
            layer["inbound_nodes"] = _relink(layer["inbound_nodes"], names, firsts)
    firsts_of_outputs = {name: call for name, call in firsts.items() if models[name] == "Sequential"}
    for key in config.keys() & {"input_layers", "output_layers"}:
        config[key] = _relink(config[key], names, firsts_of_outputs)
    for key in ("input_layers", "output_layers"):
        if isinstance(config.get(key), list) and len(config[key]) == 1 and isinstance(config[key][0], list):
            config[key] = config[key][0]  # for a list of one, Keras 3 would give a list of one
    config["layers"] = [_name_module(layer) for layer in layers]


def _find_links(value: object) -> Iterator[tuple[str, int]]:
    """Find what refers to the call of a layer: its name, and the number of the call."""
    if is_link(value):
        yield value[0], value[1]
    elif isinstance(value, list):
        for part in value:
            yield from _find_links(part)


def _relink(value: Any, names: Mapping[str, str], firsts: Mapping[str, int]) -> Any:  # noqa: ANN401  # JSON
    """Give all references to calls by the new names and numbers; with tensors as named arguments, in Keras 3's form."""
    if isinstance(value, dict):
        return {key: _relink(part, names, firsts) for key, part in value.items()}
    if not isinstance(value, list):
        return value
    if is_link(value):
        name, index, *rest = value
        free = names.get(name, name)
        return [free, index - firsts.get(free, 0), rest[0], *(_relink(part, names, firsts) for part in rest[1:])]
    parts = [_relink(part, names, firsts) for part in value]
    match parts:
        case [[str(), int(), int(), dict() as arguments]] if any(map(is_link, arguments.values())):
            tensors = {key: _make_tensor(part) if is_link(part) else part for key, part in arguments.items()}
            return {"args": [_make_tensor(parts[0])], "kwargs": tensors}
    return parts


def _make_tensor(link: list[Any]) -> Config:
    """Refer to the output of a call as Keras 3 does, where it is an argument by name; the shape is not read."""
    return {"class_name": "__keras_tensor__", "config": {"shape": [], "dtype": "float32", "keras_history": link[:3]}}


def _refuse_old_resizing(value: Any) -> None:  # noqa: ANN401  # JSON
    """Refuse a bilinear resizing of before 2020, which Keras 3 does not have: its pixels had no centres."""
    if isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            _refuse_old_resizing(part)
    match value:
        case {"class_name": "UpSampling2D", "config": {"interpolation": "bilinear"}}:
            raise ModelError(
                f"it has 'UpSampling2D', its layer {name_layer(value)!r:.60}: Keras 2.2 and 2.3 resized otherwise, "
                "with interpolation='bilinear'; train it anew, with TensorFlow 2.0 or later"
            )


_MORE: Mapping[str, Callable[[Config], None]] = {
    "Functional": _migrate_functional,
    "Sequential": _migrate_sequential,
    "GRU": _migrate_gru,
    "GRUCell": _migrate_gru,
    "RandomHeight": _migrate_random_size,
    "RandomWidth": _migrate_random_size,
    "ThresholdedReLU": _migrate_thresholded_relu,
    "Policy": _migrate_policy,
    "PolicyV1": _migrate_policy,
}
"""What more is done to the objects of a class."""
