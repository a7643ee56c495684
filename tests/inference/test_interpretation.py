"""What a network takes and gives: its input's forms, its outputs' kinds, and what contradicts what is declared."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.compiler import export
from fashion_api.inference.keras_engine import KerasClassifier, import_tensorflow
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.inference.signature import DeclaredSignature, Signature

import_tensorflow()
import keras  # noqa: E402  # after TensorFlow has been silenced
from keras import layers  # noqa: E402  # the same

pytestmark = pytest.mark.tensorflow

Network = Any  # Keras ships no types
GREY: Images = np.random.default_rng(1).integers(0, 256, (3, 4, 5), np.uint8)
COLOUR: Images = np.random.default_rng(1).integers(0, 256, (3, 4, 5, 3), np.uint8)
SIZE = DeclaredSignature(height=4, width=5)


def build(
    *middle: Network,
    shape: tuple[int | None, ...] = (4, 5),
    outputs: int = 3,
    activation: str | None = "softmax",
    batch_size: int | None = None,
) -> Network:
    """A network with random weights that ends in a dense layer."""
    keras.utils.set_random_seed(0)
    last = [] if middle and "Global" in type(middle[-1]).__name__ else [layers.Flatten()]
    return keras.Sequential(
        [keras.Input(shape, batch_size=batch_size), *middle, *last, layers.Dense(outputs, activation=activation)]
    )


def interpret(network: Network, declared: DeclaredSignature = SIZE) -> Signature:
    """Give the signature of a network."""
    return KerasClassifier(network, declared).signature


def compile_both(network: Network, declared: DeclaredSignature, *, temperature: float = 1.0) -> list[Any]:
    """Give a network on both engines."""
    reference = KerasClassifier(network, declared, temperature=temperature)
    compiled = OnnxClassifier(export(network, reference, temperature), threads=1)
    assert compiled.read_signature() == reference.signature
    return [reference, compiled]


@pytest.mark.parametrize(
    ("shape", "declared", "images", "lay_out"),
    [
        ((4, 5), DeclaredSignature(), GREY, lambda p: p),
        ((4, 5, 1), DeclaredSignature(), GREY, lambda p: p[..., None]),
        ((1, 4, 5), DeclaredSignature(), GREY, lambda p: p[:, None]),
        ((20,), SIZE, GREY, lambda p: p.reshape(-1, 20)),
        ((20, 1), SIZE, GREY, lambda p: p.reshape(-1, 20, 1)),
        ((2, 2, 5, 1), SIZE, GREY, lambda p: p.reshape(-1, 2, 2, 5, 1)),
        ((4, 5, 3), DeclaredSignature(), COLOUR, lambda p: p),
        ((3, 4, 5), DeclaredSignature(), COLOUR, lambda p: p.transpose(0, 3, 1, 2)),
        ((60,), SIZE, COLOUR, lambda p: p.reshape(-1, 60)),
        ((20, 3), SIZE, COLOUR, lambda p: p.reshape(-1, 20, 3)),
    ],
    ids=[
        "plain",
        "one channel",
        "channel first",
        "row",
        "column",
        "parts",
        "colour",
        "colours first",
        "row of colours",
        "column of colours",
    ],
)
def test_input_is_laid_out_as_the_network_takes_it(
    shape: tuple[int, ...], declared: DeclaredSignature, images: Images, lay_out: Callable[[Any], Any]
) -> None:
    """Whatever the form of its input, a network gets the pixels that it was trained with."""
    network = build(shape=shape)
    classifier = KerasClassifier(network, declared.model_copy(update={"pixel_range": (-1.0, 1.0)}))
    assert classifier.signature.input.shape == images.shape[1:]
    expected = network(lay_out(images / np.float32(127.5) - 1)).numpy()
    np.testing.assert_allclose(classifier.classify(images).probabilities, expected, atol=1e-6)


def test_size_that_the_network_leaves_open_is_declared_or_the_tutorials() -> None:
    """Images of an open size have that which is declared, else 28×28."""
    network = build(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), shape=(None, None, 1))
    assert interpret(network, DeclaredSignature(height=6)).input.shape == (6, 28)
    assert interpret(network, DeclaredSignature()).input.shape == (28, 28)


def build_channels_first() -> Network:
    return build(
        layers.Conv2D(4, 2, data_format="channels_first"),
        layers.BatchNormalization(axis=1),
        layers.MaxPooling2D(data_format="channels_first"),
        shape=(3, 4, 5),
    )


def build_augmented() -> Network:
    augmentation = [
        layers.RandomFlip(),
        layers.RandomRotation(0.1),
        layers.RandomZoom(0.1),
        layers.RandomTranslation(0.1, 0.1),
        layers.RandomContrast(0.1),
        layers.RandomBrightness(0.1),
        layers.GaussianNoise(0.1),
    ]
    inner = keras.Sequential([layers.RandomFlip(), layers.Dropout(0.5), layers.Rescaling(1 / 255)])
    return build(*augmentation, inner, layers.SpatialDropout2D(0.5), shape=(4, 5, 3))


@pytest.mark.parametrize(
    ("make", "declared"),
    [
        (build_channels_first, DeclaredSignature()),
        (build_augmented, DeclaredSignature()),
        (lambda: build(layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), shape=(None, None, 3)), SIZE),
        (lambda: build(layers.Rescaling(1 / 255), layers.Conv2D(4, 3), shape=(4, 5, 3)), DeclaredSignature()),
        (
            lambda: build(layers.Normalization(mean=[120.0, 110, 100], variance=[6e3] * 3), shape=(4, 5, 3)),
            DeclaredSignature(),
        ),
        (lambda: build(layers.Conv2D(6, 2, groups=3), shape=(4, 5, 3)), DeclaredSignature()),
        (lambda: build(outputs=1, activation="sigmoid", batch_size=32), DeclaredSignature()),
        (lambda: build(outputs=1, activation=None), DeclaredSignature(output="logits")),
    ],
    ids=[
        *("channels first", "augmentation", "open size", "scaled colours", "normalised colours"),
        *("groups", "sigmoid of a fixed batch", "one logit"),
    ],
)
def test_compiled_form_gives_the_same(make: Callable[[], Network], declared: DeclaredSignature) -> None:
    """The compiled form takes and gives what the reference does, at any batch size, and at a temperature."""
    reference, compiled = compile_both(make(), declared, temperature=1.7)
    images = np.random.default_rng(2).integers(0, 256, (5, *reference.signature.input.shape), np.uint8)
    ours, theirs = (engine.classify(images).probabilities for engine in (compiled, reference))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    np.testing.assert_allclose(ours.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_logits_become_probabilities(temperature: float) -> None:
    """Of a linear last layer, the outputs are divided by the temperature and put through a softmax."""
    network = build(activation=None)
    classifier = KerasClassifier(network, DeclaredSignature(pixel_range=(0, 1)), temperature=temperature)
    logits = network(GREY / np.float32(255)).numpy() / temperature
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(classifier.classify(GREY).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["sigmoid", "logits"])
def test_one_output_stands_for_the_second_of_two_classes(kind: str) -> None:
    """A sigmoid, or a logit that is declared as one, gives the probability of the second class."""
    network = build(outputs=1, activation="sigmoid" if kind == "sigmoid" else None)
    declared = DeclaredSignature(pixel_range=(0, 1), output=None if kind == "sigmoid" else "logits")
    classifier = KerasClassifier(network, declared)
    raw = network(GREY / np.float32(255)).numpy()[:, 0]
    second = raw if kind == "sigmoid" else 1 / (1 + np.exp(-raw))
    assert classifier.signature.classes == 2
    np.testing.assert_allclose(classifier.classify(GREY).probabilities, np.stack([1 - second, second], 1), atol=1e-6)


def build_ensemble() -> Network:
    image = keras.Input((4, 5))
    return keras.Model(image, layers.Average()([build()(image), build()(image)]))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (build, "probabilities"),
        (lambda: keras.Sequential([build(activation=None), layers.Softmax()]), "probabilities"),
        (lambda: keras.Sequential([build(), layers.Dropout(0.5), layers.Activation("linear")]), "probabilities"),
        (build_ensemble, "probabilities"),
        (lambda: build(activation=None), "logits"),
        (lambda: keras.Sequential([build(activation=None), layers.Flatten()]), "logits"),
        (lambda: build(activation="log_softmax"), "log-probabilities"),
        (lambda: build(outputs=1, activation="sigmoid"), "sigmoid"),
        (lambda: keras.Sequential([build(outputs=1, activation=None), layers.Activation("sigmoid")]), "sigmoid"),
        (
            lambda: keras.Sequential([keras.Input((4, 5, 1)), layers.Conv2D(3, (4, 5), activation="softmax")]),
            "probabilities",
        ),
    ],
    ids=[
        *("softmax", "softmax behind a model", "idle layers behind it", "mean of softmaxes", "linear", "flattened"),
        *("log softmax", "sigmoid", "sigmoid of its own", "convolution"),
    ],
)
def test_last_layer_tells_what_the_outputs_are(make: Callable[[], Network], kind: str) -> None:
    """The kind of the outputs is found, also in a model in a model, and behind layers that change nothing."""
    classifier = KerasClassifier(make(), DeclaredSignature())
    assert classifier.signature.output == kind
    np.testing.assert_allclose(classifier.classify(GREY).probabilities.sum(axis=1), 1, atol=1e-5)


def build_branches(*ends: Network) -> Network:
    """A network of an image with an output for each of these layers."""
    keras.utils.set_random_seed(0)
    image = keras.Input((4, 5))
    pixels = layers.Flatten()(image)
    return keras.Model(image, [end(pixels) for end in ends])


def join(network: Network, layer: Network) -> Network:
    """A network whose output is what a layer makes of the outputs of another."""
    return keras.Model(network.inputs, layer(network.outputs))


def test_output_with_a_name_is_an_output() -> None:
    """A dictionary of one output is served as that output is."""
    network = build()
    named = keras.Model(network.inputs, {"classes": network.outputs[0]})
    expected = KerasClassifier(network, DeclaredSignature()).classify(GREY).probabilities
    np.testing.assert_allclose(KerasClassifier(named, DeclaredSignature()).classify(GREY).probabilities, expected)


def test_declared_outputs_win() -> None:
    """What a manifest says of the outputs decides."""
    network, declared = build(activation="relu"), DeclaredSignature(output="logits", manifest="m.json")
    signature = interpret(network, declared)
    assert (signature.output, signature.output_reason) == ("logits", "its manifest says")


def build_two_inputs() -> Network:
    images = [keras.Input((4, 5)), keras.Input((4, 5))]
    return keras.Model(images, build()(layers.Add()(images)))


@pytest.mark.parametrize(
    ("make", "declared", "message"),
    [
        (
            lambda: build(outputs=1, activation=None),
            SIZE,
            'its one output comes from a linear layer.*"output": "logits"',
        ),
        (lambda: build(activation="sigmoid"), SIZE, "each of its 3 outputs is a sigmoid of its own"),
        (lambda: build(activation="relu"), SIZE, "not probabilities: they come from the activation relu"),
        (build, DeclaredSignature(output="sigmoid", manifest="m.json"), "3 outputs, but m.json says .* one sigmoid"),
        (
            build,
            DeclaredSignature(output="logits", manifest="m.json"),
            "it ends in a softmax, but m.json says that it gives logits",
        ),
        (
            lambda: build(outputs=1, activation="sigmoid"),
            DeclaredSignature(output="logits", manifest="m.json"),
            "it ends in a sigmoid, but m.json says that it gives logits",
        ),
        (lambda: build(outputs=1, activation="tanh"), SIZE, "the activation tanh, .* apart: end it in a sigmoid$"),
        (
            lambda: build(outputs=1, activation="sigmoid"),
            DeclaredSignature(output="probabilities", manifest="m.json"),
            "one output, but m.json says",
        ),
        (
            lambda: join(
                build_branches(*(layers.Dense(3, "softmax"), layers.Dense(4, "softmax"))), layers.Concatenate()
            ),
            SIZE,
            "not probabilities: they come from the activation softmax, through Concatenate; end it in a softmax$",
        ),
        (
            lambda: keras.Sequential(
                [keras.Input((4, 5, 1)), layers.Conv2D(3, 2, activation="sigmoid"), layers.GlobalAveragePooling2D()]
            ),
            SIZE,
            "not probabilities: they come from the activation sigmoid, through GlobalAveragePooling2D",
        ),
        (lambda: keras.Sequential([build(activation=None), layers.ReLU()]), SIZE, "come from the activation relu;"),
        (
            lambda: build_branches(layers.Dense(3, "softmax"), layers.Dense(6)),
            SIZE,
            r"2 outputs, \(None, 3\), \(None, 6\): .*keras\.Model\(model\.inputs, model\.outputs\[0\]\)",
        ),
        (
            lambda: build_branches(layers.Dense(1, "sigmoid"), layers.Dense(3, "softmax")),
            SIZE,
            r"it has 2 outputs, \(N",
        ),
        (build_two_inputs, SIZE, "it has 2 inputs"),
        (
            lambda: keras.Sequential([keras.Input((4, 5, 1)), layers.Conv2D(3, 1)]),
            SIZE,
            r"its output is \(None, 4, 5, 3\)",
        ),
        (lambda: build(shape=(4, 5, 4)), SIZE, r"its input is \(None, 4, 5, 4\), which is no image of 4×5×1"),
        (lambda: build(shape=(20, 3)), DeclaredSignature(), r"input is \(None, 20, 3\), which is no image of 28×28"),
        (lambda: build(shape=(21,)), SIZE, r"its input is \(None, 21\).*FASHION_IMAGE_WIDTH and FASHION_CHANNELS"),
        (build, DeclaredSignature(height=6), "takes images of 4×5 pixels, not of 6×5: correct FASHION_IMAGE_HEIGHT"),
        (
            lambda: build(shape=(4, 5, 3)),
            DeclaredSignature(channels=1),
            r"in colour \(3 channels\), not grey images \(1 channel\): correct FASHION_CHANNELS$",
        ),
        (build, DeclaredSignature(channels=3, manifest="m.json"), r"grey images .* in colour .*: correct m\.json$"),
    ],
    ids=[
        *("one number", "many sigmoids", "relu", "not one sigmoid", "not logits", "not one logit"),
        *("tanh", "no distribution", "two softmaxes"),
        *("mean of sigmoids", "layer of relu", "classes and features", "classes second", "two inputs", "a map"),
        *("four channels", "colours in a row", "another row", "another size", "grey declared", "colour declared"),
    ],
)
def test_network_that_is_not_served_is_refused(
    make: Callable[[], Network], declared: DeclaredSignature, message: str
) -> None:
    """What is no classifier of images, or contradicts what is declared, is refused with the reason and both values."""
    with pytest.raises(ModelError, match=message):
        interpret(make(), declared)


def test_declared_range_wins_with_a_warning_where_layers_tell_another() -> None:
    """A range that is declared is used, and a warning says where the network was made for another."""
    network = build(layers.Rescaling(1 / 255))
    signature = interpret(network, DeclaredSignature(pixel_range=(0, 1), manifest="m.json"))
    assert signature.input.pixel_range == (0, 1)
    (warning,) = signature.warnings
    assert warning.startswith("its manifest says pixels of 0…1, but 0…255 would be right: its layer 'rescaling")
    assert not interpret(network, DeclaredSignature(pixel_range=(0, 255), manifest="m.json")).warnings


def test_range_that_nothing_tells_is_the_tutorials_with_a_warning() -> None:
    """Where neither a setting nor a layer tells the range, it is 0–1, and a warning names the setting."""
    signature = interpret(build())
    assert signature.input.pixel_range == (0, 1)
    assert "FASHION_PIXEL_RANGE" in signature.warnings[0]


@pytest.mark.parametrize(
    ("shape", "declared", "assumed"),
    [
        ((None, None, 3), DeclaredSignature(), "28×28 pixels, as images in colour"),
        ((None, None, 3), DeclaredSignature(height=4), "4×28 pixels, as images in colour"),
        ((None, None, 3), SIZE, None),
        ((4, 5, 3), DeclaredSignature(), None),
    ],
    ids=["nothing", "the height", "all that is open", "the network"],
)
def test_open_size_that_nothing_tells_is_the_tutorials_with_a_warning(
    shape: tuple[int | None, ...], declared: DeclaredSignature, assumed: str | None
) -> None:
    """Where the network leaves a size open, and no setting tells it, a warning has the size, and names the settings."""
    network = build(layers.Rescaling(1 / 255), layers.GlobalMaxPooling2D(), shape=shape)
    warnings = interpret(network, declared).warnings
    assert len(warnings) == (assumed is not None)
    assert all(f"{assumed} (" in warning and "FASHION_IMAGE_HEIGHT" in warning for warning in warnings)


def test_training_precision_is_not_served() -> None:
    """A model of mixed precision computes with its weights' whole precision, on both engines alike."""
    keras.config.set_dtype_policy("mixed_float16")
    try:
        network = build(layers.Reshape((4, 5, 1)), layers.Conv2D(4, 3))
    finally:
        keras.config.set_dtype_policy("float32")
    compile_both(network, DeclaredSignature())
