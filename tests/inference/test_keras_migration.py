"""The migration of configurations: what is refused, and that nothing but a refusal comes of what is none.

That migrated models compute what they did is held by test_old_models.py.
"""

import copy
import json
from typing import Any

import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.keras_config import read_config
from fashion_api.inference.keras_migration import is_of_keras_2, migrate
from tests.inference.hostile_models import make_config

KERAS_2 = "2.11.0"
IMAGE = ["image", 0, 0]


def layer(class_name: str, **config: Any) -> dict[str, Any]:  # noqa: ANN401  # JSON
    return {"class_name": class_name, "config": {"name": "it", **config}}


def functional(*layers: dict[str, Any], output: object = ("it", 0, 0)) -> dict[str, Any]:
    """The configuration of a functional model of an image, and of layers that name the calls before them."""
    config = {"batch_input_shape": [None, 4, 5, 1], "name": "image"}
    image = {"class_name": "InputLayer", "name": "image", "config": config, "inbound_nodes": []}
    return {
        "class_name": "Functional",
        "config": {
            "name": "model",
            "layers": [image, *layers],
            "input_layers": [["image", 0, 0]],
            "output_layers": [output],
        },
    }


def operation(function: str, **arguments: object) -> dict[str, Any]:
    """An operation of TensorFlow outside of any layer."""
    return layer("TFOpLambda", function=function) | {
        "name": "it",
        "inbound_nodes": [["image", 0, 0, arguments]],
    }


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (make_config(layer("LSTM", time_major=True)), r"'it' has time_major=True, which TensorFlow 1\.13-2\.15 had"),
        (make_config(layer("BatchNormalization", renorm=True)), "'it' has renorm=True"),
        (
            make_config(layer("CuDNNLSTM", units=3)),
            r"'CuDNNLSTM', its layer 'it'.*build the model with LSTM.*save that",
        ),
        (make_config(layer("CuDNNGRU", units=3)), r"'CuDNNGRU', its layer 'it'.*GRU\(reset_after=True\)"),
        (make_config(layer("Merge", mode="sum")), "'Merge', its layer 'it': it is of Keras 1"),
        (
            functional(operation("nn.relu")),
            "'TFOpLambda', its layer 'it': the operation 'nn.relu' outside of any layer",
        ),
        (functional(operation("math.truediv", y=0)), "the operation 'math.truediv' outside of any layer"),
        (functional(operation("math.divide", y=["image", 0, 0])), "the operation 'math.divide' outside of any layer"),
        (functional(operation("math.add", y="image")), "the operation 'math.add' outside of any layer"),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_what_keras_3_has_no_longer_is_refused(config: dict[str, Any], reason: str) -> None:
    """Where there is nothing to migrate to, the message has the layer, the reason and the way out."""
    with pytest.raises(ModelError, match=reason):
        read_config(json.dumps(config).encode(), KERAS_2)


@pytest.mark.parametrize(
    ("function", "number", "scale", "offset"),
    [
        ("math.truediv", 255.0, 1 / 255, 0.0),
        ("math.multiply", 0.5, 0.5, 0.0),
        ("math.subtract", 127.5, 1.0, -127.5),
        ("__operators__.add", 3, 1.0, 3),
    ],
)
def test_arithmetic_with_a_number_becomes_a_rescaling(
    function: str, number: float, scale: float, offset: float
) -> None:
    """An image that is divided by a number outside of any layer is scaled by one."""
    migrated = migrate(functional(operation(function, y=number, name=None)), KERAS_2)
    del migrated["config"]["layers"][0]
    [made] = migrated["config"]["layers"]
    assert made["class_name"] == "Rescaling"
    assert made["config"] == {"name": "it", "scale": scale, "offset": offset}
    assert made["inbound_nodes"] == [[["image", 0, 0, {}]]]


@pytest.mark.parametrize(
    "written",
    [
        layer("TFOpLambda", function="math.subtract") | {"inbound_nodes": [["_CONSTANT_VALUE", -1, 255, {"y": IMAGE}]]},
        layer("TensorFlowOpLayer", constants={"0": 255}, node_def={"op": "Sub"}) | {"inbound_nodes": [[[*IMAGE, {}]]]},
        layer("Subtract") | {"inbound_nodes": [{"args": [255, {"config": {"keras_history": IMAGE}}], "kwargs": {}}]},
    ],
    ids=["TensorFlow 2.4-2.15", "TensorFlow 1.14-2.3", "Keras 3"],
)
def test_number_that_comes_first_is_the_one_subtracted_from(written: dict[str, Any]) -> None:
    """An image that is subtracted from 255, as one of dark on light is, is inverted."""
    made = migrate(functional(written), KERAS_2)["config"]["layers"][1]
    assert (made["class_name"], made["config"]) == ("Rescaling", {"name": "it", "scale": -1.0, "offset": 255})
    assert str(IMAGE)[:-1] in str(made["inbound_nodes"])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("math.truediv", ("_CONSTANT_VALUE", -1, 255, {"y": IMAGE})), ("math.subtract", (*IMAGE, {"y": [1.0, 2, 3]}))],
    ids=["a number by an image", "colours of their own"],
)
def test_other_arithmetic_is_refused(function: str, arguments: tuple[object, ...]) -> None:
    """Arithmetic that is no scaling by one number is refused with its layer, and not taken for that with a tensor."""
    written = layer("TFOpLambda", function=function) | {"inbound_nodes": [list(arguments)]}
    with pytest.raises(ModelError, match=f"'it': the operation '{function}' outside of any layer; write it with lay"):
        migrate(functional(written), KERAS_2)


def test_slashes_in_names_are_replaced() -> None:
    """Names of models and layers have no slash, which Keras 3 refuses."""
    migrated = migrate({"class_name": "Sequential", "config": {"name": "a/b", "layers": [layer("Flatten")]}}, KERAS_2)
    assert migrated["config"]["name"] == "a_b"


def test_initialiser_of_tensorflows_own_is_that_of_keras() -> None:
    """What begins weights, which a file has, may be TensorFlow's own, as in EfficientNetV2; nothing else may."""
    constant = {"module": "tensorflow.python.ops.init_ops_v2", "class_name": "Constant", "config": {"value": 0}}
    config = functional(layer("Dense", units=3, bias_initializer=constant) | {"inbound_nodes": [[[*IMAGE, {}]]]})
    read = read_config(json.dumps(config).encode(), KERAS_2)["config"]["layers"][1]["config"]["bias_initializer"]
    assert read["module"] == "keras.initializers"
    constant["class_name"] = "Dense"
    with pytest.raises(ModelError, match="'Dense' of the module 'tensorflow"):
        read_config(json.dumps(config).encode(), KERAS_2)


def test_configuration_stays_as_it_is() -> None:
    """The configuration of the file is not changed in place."""
    config = functional(operation("math.truediv", y=255.0))
    before = copy.deepcopy(config)
    migrate(config, KERAS_2)
    assert config == before


NONE_OF_KERAS: tuple[Any, ...] = (
    {"class_name": "Sequential"},
    {"class_name": "Sequential", "config": None},
    {"class_name": "Sequential", "config": {"layers": 3}},
    {"class_name": "Sequential", "config": {"layers": [[]]}},
    {"class_name": "Sequential", "config": {"layers": [{}]}},
    {"class_name": "Sequential", "config": [{"class_name": "Dense"}]},
    {"class_name": "Sequential", "config": {"layers": [{"class_name": "Dense", "config": []}]}},
    {"class_name": "Functional", "config": {}},
    {"class_name": "Functional", "config": {"layers": [{"class_name": "Dense", "config": None}]}},
    {"class_name": "Functional", "config": {"layers": [{"class_name": ["Dense"], "config": {}}]}},
    functional({"class_name": "TFOpLambda", "name": "it", "config": {}, "inbound_nodes": [{"args": 3}]}),
    functional({"class_name": "TFOpLambda", "name": "it", "config": {}, "inbound_nodes": 3}),
    functional({"class_name": "TensorFlowOpLayer", "name": "it", "config": {}, "inbound_nodes": [[3]]}),
    functional({"class_name": "TensorFlowOpLayer", "config": {"constants": {"1": 2}, "node_def": 3}}),
    functional({"class_name": "Divide", "name": "it", "config": {}, "inbound_nodes": [{"args": [{}, []]}]}),
    functional(layer("UpSampling2D", interpolation=[]), output=[["it", 0]]),
)


@pytest.mark.parametrize("config", NONE_OF_KERAS, ids=str)
@pytest.mark.parametrize("version", ["2.2.5", KERAS_2, "3.3.3", ""])
def test_what_is_no_configuration_of_keras_raises_nothing_else(config: dict[str, Any], version: str) -> None:
    """A configuration that Keras never wrote is refused as such, or left to Keras."""
    try:
        read_config(json.dumps(config).encode(), version)
    except ModelError as error:
        assert len(str(error)) < 400  # noqa: PT017  # either is right, but no other error


@pytest.mark.parametrize(
    ("version", "is_old"), [("2.1.6", True), ("2.2.4-tf", True), ("3.0.0", False), ("", True), ("nightly", True)]
)
def test_age_of_a_version(version: str, is_old: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A file that does not say what wrote it is taken for an old one."""
    assert is_of_keras_2(version) == is_old


@pytest.mark.parametrize(("written", "read"), [({}, False), ({"reset_after": True}, True)], ids=["2.0", "2.1.3"])
def test_gru_of_before_there_were_two_kinds_resets_before(written: dict[str, bool], read: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A GRU whose configuration does not say when it resets is of Keras 2.0, which knew one kind only."""
    migrated = migrate(make_config(layer("GRU", units=3, **written)), "2.0.9")
    assert migrated["config"]["layers"][1]["config"]["reset_after"] == read


@pytest.mark.parametrize(("version", "call"), [(KERAS_2, 0), ("3.3.3", 1)])
def test_calls_of_a_model_in_a_model_are_numbered_as_keras_3_does(version: str, call: int) -> None:
    """Keras 2 counts a model's own call as the first one; Keras 3 does so only where the outputs refer to it."""
    link = ["base", 1, 0]
    node: object = [[*link, {}]]
    if version != KERAS_2:
        node = {"args": [{"class_name": "__keras_tensor__", "config": {"keras_history": link}}], "kwargs": {}}
    base = functional(layer("InputLayer")) | {"name": "base", "inbound_nodes": []}
    written = functional(base, layer("Flatten") | {"name": "after", "inbound_nodes": [node]}, output=["base", 2, 0])
    migrated = migrate(written, version)["config"]
    assert f"['base', {call}, 0" in str(migrated["layers"][2]["inbound_nodes"])
    assert migrated["output_layers"] == ["base", 2, 0]
