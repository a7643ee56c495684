"""Loading by Keras: what it may build of a file, and with what."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.h5_walk import check_model
from fashion_api.inference.interpretation import interpret
from fashion_api.inference.keras_engine import (
    KerasClassifier,
    describe_error,
    import_tensorflow,
    load_keras_model,
)
from fashion_api.inference.loading import load_model
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.signature import DeclaredSignature
from fashion_api.settings import Settings
from tests.inference import hostile_models as hostile
from tests.inference.small_model import LABELS

import_tensorflow()
import keras  # noqa: E402  # after TensorFlow has been silenced
from keras import layers  # noqa: E402  # the same

pytestmark = pytest.mark.tensorflow

SPEC = InputSpec(height=4, width=5)


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_hostile_file_is_refused_on_either_engine(tmp_path: Path, engine: Literal["onnx", "keras"]) -> None:
    """A hostile model stops the start with its path and the reason, whatever the engine."""
    (tmp_path / "model.h5").write_bytes(hostile.CODE["Lambda of Keras 2"])
    settings = Settings(
        _env_file=None,
        model_path=tmp_path / "model.h5",
        cache_dir=tmp_path / "cache",
        image_height=4,
        image_width=5,
        class_names=LABELS,
        engine=engine,
    )
    with pytest.raises(ModelError, match=r"model\.h5: it has 'Lambda'"):
        load_model(settings)


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("Dense", {"units": 16_000_000}),
        ("Embedding", {"input_dim": 16_000_000, "output_dim": 1000}),
        ("LSTM", {"units": 1_000_000}),
        ("Conv2D", {"filters": 10_000_000, "kernel_size": [3, 3]}),
    ],
)
def test_weights_that_the_file_does_not_have_are_not_made(class_name: str, config: dict[str, Any]) -> None:
    """Where a configuration asks for more weights than the file holds, Keras makes none of them."""
    content = hostile.with_layer(class_name, **config)
    with pytest.raises(ModelError, match=r"Keras .* cannot load it: ValueError"):
        load_keras_model(content)


@pytest.mark.parametrize(
    ("class_name", "config"),
    [
        ("UpSampling2D", {"size": [5000, 5000]}),
        ("ZeroPadding2D", {"padding": [[0, 10_000], [0, 10_000]]}),
        ("Resizing", {"height": 30_000, "width": 30_000}),
    ],
)
def test_layer_that_gives_too_many_numbers_is_refused(class_name: str, config: dict[str, Any]) -> None:
    """Where a layer would give gigabytes for one image, nothing is computed."""
    image = keras.Input((4, 5, 1))
    large = getattr(layers, class_name)(**config, name="n" * 1000)(image)
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(large)))
    with pytest.raises(ModelError, match="numbers for an image, over 67108864") as refusal:
        KerasClassifier(model, SPEC)
    assert len(str(refusal.value)) < 200


def test_input_of_many_axes_is_named_in_short() -> None:
    """However many axes the input has, the message is short."""
    network = SimpleNamespace(inputs=[SimpleNamespace(shape=(None, *[2] * 1000))], layers=[])
    with pytest.raises(ModelError, match=r"^its input is \(None, 2, 2, .*, which is no image of 28×28×1") as refusal:
        interpret(network, DeclaredSignature(), lambda *_: np.zeros((1, 1), np.float32))
    assert len(str(refusal.value)) < 400


def test_bold_type_of_keras_is_left_out() -> None:
    """An error of Keras's that is meant for a terminal is given as plain text."""
    with pytest.raises(ValueError, match="the input size") as error:
        layers.Reshape((7, -1))(keras.Input((4, 5, 1)))
    assert describe_error(error.value).isprintable()


def test_layers_that_do_not_fit_each_other_are_refused() -> None:
    """A model that fails when it is computed is refused with the reason, before an image is classified."""
    image = keras.Input((4, 5, 1))
    halved = layers.Flatten()(layers.Activation("glu")(layers.Conv2D(4, 1)(image)))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(halved))
    with pytest.raises(ModelError, match=r"^Keras cannot compute it: ValueError"):
        KerasClassifier(model, SPEC)


def build_images() -> Any:  # noqa: ANN401  # Keras ships no types
    """A model of the layers that classifiers of images have."""
    return [
        layers.Rescaling(1 / 255),
        layers.Normalization(mean=0.5, variance=0.2),
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.1),
        layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", kernel_constraint=keras.constraints.MaxNorm(3)),
        layers.SeparableConv2D(4, 3, padding="same"),
        layers.DepthwiseConv2D(3, padding="same"),
        layers.Conv2DTranspose(4, 3, padding="same"),
        layers.SpectralNormalization(layers.Conv2D(4, 3, padding="same")),
        layers.BatchNormalization(),
        layers.LayerNormalization(),
        layers.GroupNormalization(groups=2),
        layers.PReLU(),
        layers.LeakyReLU(),
        layers.ELU(),
        layers.Activation("gelu"),
        layers.GaussianNoise(0.1),
        layers.SpatialDropout2D(0.1),
        layers.UpSampling2D(),
        layers.ZeroPadding2D(),
        layers.Cropping2D(),
        layers.Resizing(4, 5),
        layers.MaxPooling2D(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ]


def build_sequences() -> Any:  # noqa: ANN401  # Keras ships no types
    """A model of the layers that read an image as a sequence of its rows."""
    return [
        layers.Reshape((4, 5)),
        layers.TimeDistributed(layers.Dense(6)),
        layers.LSTM(6, return_sequences=True),
        layers.Bidirectional(layers.GRU(3, return_sequences=True)),
        layers.RNN(layers.SimpleRNNCell(6), return_sequences=True),
        layers.Conv1D(6, 3),
        layers.GlobalMaxPooling1D(),
        layers.Dense(3, activation="softmax"),
    ]


def build_nested() -> Any:  # noqa: ANN401  # Keras ships no types
    """A model in a model."""
    inner = keras.Sequential([keras.Input((4, 5, 1)), layers.Conv2D(3, 3), layers.BatchNormalization()])
    return [inner, layers.Flatten(), layers.Dense(3, activation="softmax")]


@pytest.mark.parametrize("build", [build_images, build_sequences, build_nested])
def test_layers_of_keras_are_loaded(build: Any, tmp_path: Path) -> None:  # noqa: ANN401  # see above
    """A model of the common layers, with the state of its optimiser, passes the walk and is loaded."""
    model = keras.Sequential([keras.Input((4, 5, 1)), *build()])
    model.compile("adam", "categorical_crossentropy")
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.h5")
    content = (tmp_path / "model.h5").read_bytes()
    check_model(content)
    assert load_keras_model(content).output_shape == (None, 3)


def test_model_that_was_never_built_is_refused(tmp_path: Path) -> None:
    """A model that has seen no input says nothing of it, and has no weights."""
    keras.Sequential([layers.Flatten(), layers.Dense(3)]).save(tmp_path / "model.h5")
    with pytest.raises(ModelError, match=r"saved before it was built: begin it with a keras\.Input"):
        load_keras_model((tmp_path / "model.h5").read_bytes())


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("kind", [keras.Sequential, keras.Model], ids=["Sequential", "functional"])
def test_names_that_tensorflow_does_not_take_are_those_of_no_layer(kind: Any, suffix: str, tmp_path: Path) -> None:  # noqa: ANN401  # see above
    """A model of any name, and layers of any, which Keras computes eagerly or with another backend, are served."""
    parts = [layers.Flatten(name="ä"), layers.Dense(4, name="ö"), layers.Dense(3, activation="softmax", name="_")]
    model = keras.Sequential([keras.Input((4, 5), name="ein Bild"), *parts], name="_my model")
    if kind is keras.Model:
        model = keras.Model(model.inputs[0], model.outputs[0], name="Mein Modell (1)")
    path = (tmp_path / "model").with_suffix(suffix)
    model.save(path)
    classifier = KerasClassifier(load_keras_model(path.read_bytes()), SPEC)
    images = np.random.default_rng(0).integers(0, 256, (2, *SPEC.shape), np.uint8)
    expected = model(images.astype(np.float32))
    np.testing.assert_allclose(classifier.classify(images).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("wrap", [lambda layer: layer, layers.Bidirectional], ids=["one way", "both ways"])
def test_states_do_not_pass_from_one_image_to_the_next(wrap: Any, suffix: str, tmp_path: Path) -> None:  # noqa: ANN401  # see above
    """A model that keeps its states between batches of a fixed size is loaded, and begins anew with each image."""
    states = wrap(layers.LSTM(3, stateful=True))
    model = keras.Sequential([keras.Input(batch_shape=(2, 4, 5)), states, layers.Dense(3, activation="softmax")])
    path = (tmp_path / "model").with_suffix(suffix)
    model.save(path)
    classifier = KerasClassifier(load_keras_model(path.read_bytes()), SPEC)
    images = np.random.default_rng(0).integers(0, 256, (2, *SPEC.shape), np.uint8)
    expected = model(images.astype(np.float32))
    for count in (2, 1):
        np.testing.assert_allclose(classifier.classify(images[:count]).probabilities, expected[:count], atol=1e-6)


def test_backend_that_was_set_for_other_programs_is_not_used(tmp_path: Path) -> None:
    """Where ~/.keras has Keras compute with another library, it computes with TensorFlow, which writes nothing."""
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "jax"}))
    code = (
        "from fashion_api.inference.keras_engine import import_tensorflow; import_tensorflow()\n"
        "import keras; print(keras.config.backend())"
    )
    environment = os.environ | {"KERAS_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)  # noqa: S603  # our own
    assert (done.stdout, done.stderr) == ("tensorflow\n", "")
