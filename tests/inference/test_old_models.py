"""Models that old versions of Keras saved: each answers as it did where it was made, or is refused with the reason."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.errors import ModelError
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.compiler import export
from fashion_api.inference.h5_walk import check_model
from fashion_api.inference.keras_engine import KerasClassifier, load_walked_model
from fashion_api.inference.loading import self_test
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.inference.signature import DeclaredSignature
from tests.inference.old_models import VERSIONS, OldModel, read_models

pytestmark = pytest.mark.tensorflow

REFUSED = {
    "locally_connected": r"'LocallyConnected2D', its layer 'locally_connected2d.*TensorFlow 2\.15 is the last",
    "scaled_by_lambda": r"'Lambda', its layer 'lambda.*code, which is not run.*Rescaling",
    "random_crop": r"'RandomCrop', its layer 'random_crop.*replace it by Resizing or CenterCrop",
}
"""What no migration brings back, in any version."""
REFUSED_OF_STANDALONE_KERAS = {
    "upsampling_bilinear": r"'UpSampling2D', its layer 'up_sampling2d_1'.*resized otherwise.*train it anew",
}
"""What the package `keras` computed otherwise, before it was TensorFlow's own."""

SERVED = (
    ("keras-2.1.6", "hard_sigmoid"),
    ("keras-2.2.5", "official_probability"),
    ("keras-2.3.1", "nested_sequential_in_functional"),
    ("tensorflow-1.13.2", "lstm"),
    ("tensorflow-1.15.5", "tutorial_cnn"),
    ("tensorflow-2.3.4", "merged_by_operators"),
    ("tensorflow-2.9.3", "depthwise"),
    ("tensorflow-2.12.1", "names_with_slashes"),
    ("tensorflow-2.15.1", "swish_gelu"),
    ("tensorflow-2.15.1", "zip_nested"),
    ("tensorflow-2.16.2", "zip_rescaling"),
    ("tensorflow-1.15.5", "official_basic"),
    ("tensorflow-2.16.2", "zip_logits"),
    ("tensorflow-2.3.4", "sigmoid"),
    ("tensorflow-2.9.3", "augmentation"),
    ("tensorflow-2.9.3", "normalization"),
    ("keras-2.2.5", "channels_first"),
    ("keras-2.3.1", "colour"),
    ("tensorflow-1.13.2", "flat_input"),
    ("tensorflow-2.9.3", "fixed_batch"),
    ("tensorflow-2.3.4", "any_size"),
)
"""What is compiled as well: a model of each version, each kind that is migrated, each form of input and output."""


def refusal(version: str, name: str) -> str | None:
    """The reason for which a model is refused."""
    own = REFUSED_OF_STANDALONE_KERAS if version.startswith("keras-") else {}
    return (REFUSED | own).get(name)


ALL = [(version, name) for version in VERSIONS for name in read_models(version)]


def ask(model: Any, old: OldModel) -> npt.NDArray[np.float64]:  # noqa: ANN401  # Keras ships no types
    """Ask a Keras model for the probabilities of the images, in the range and the shape that it takes."""
    low, high = old.pixel_range
    pixels = old.images.astype(np.float32) * ((high - low) / 255) + low
    batch, *per_image = model.input_shape
    if len(per_image) == 3:
        pixels = pixels.reshape(*old.images.shape[:3], -1)
        if per_image[0] in (1, 3):
            pixels = np.moveaxis(pixels, -1, 1)
    elif len(per_image) == 1:
        pixels = pixels.reshape(len(pixels), -1)
    answers = [model(part, training=False) for part in np.split(pixels, len(pixels) // (batch or len(pixels)))]
    first = [np.asarray(answer[0] if isinstance(answer, list) else answer, np.float64) for answer in answers]
    return find_probabilities(np.concatenate(first), old.ends_in)


def find_probabilities(output: npt.NDArray[np.float64], ends_in: str) -> npt.NDArray[np.float64]:
    """The probabilities that an output stands for."""
    if ends_in == "logits":
        exponentials = np.exp(output)
        return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
    return np.concatenate((1 - output, output), axis=1) if ends_in == "sigmoid" else output


@pytest.mark.filterwarnings("ignore:Layer 'flatten' .* was passed an input with a mask")
@pytest.mark.parametrize(("version", "name"), [each for each in ALL if refusal(*each) is None])
def test_model_answers_as_where_it_was_made(version: str, name: str) -> None:
    """A model of any version gives the probabilities that its own version gave, to a thousandth."""
    old = read_models(version)[name]
    check_model(old.content)
    model = load_walked_model(old.content)
    np.testing.assert_allclose(ask(model, old), old.probabilities, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("version", "name"), [each for each in ALL if refusal(*each) is not None])
def test_model_that_cannot_be_migrated_is_refused(version: str, name: str) -> None:
    """A model of which Keras 3 has a layer no longer is refused with the layer's name, the reason and the way out."""
    with pytest.raises(ModelError, match=refusal(version, name)):
        check_model(read_models(version)[name].content)


def serve(old: OldModel) -> Classifier:
    """Compile a model, and load and test it as a start does, with the size and the range of its images declared."""
    height, width = old.images.shape[1:3]
    declared = DeclaredSignature(height=height, width=width, pixel_range=old.pixel_range)
    check_model(old.content)
    network = load_walked_model(old.content)
    classifier = OnnxClassifier(export(network, KerasClassifier(network, declared), 1.0), threads=1)
    self_test(classifier, classifier.read_signature())
    return classifier


@pytest.mark.parametrize(("version", "name"), SERVED)
def test_compiled_form_answers_as_where_the_model_was_made(version: str, name: str) -> None:
    """The compiled form of a model of any version gives the probabilities that its own version gave."""
    old = read_models(version)[name]
    answers = serve(old).classify(old.images).probabilities
    np.testing.assert_allclose(answers, old.probabilities, rtol=0, atol=1e-3)


def test_every_model_is_known_in_several_versions() -> None:
    """What is said to be refused or served is there."""
    assert {version for version, _ in SERVED} == set(VERSIONS)
    assert set(SERVED) <= set(ALL)
    assert REFUSED.keys() | REFUSED_OF_STANDALONE_KERAS <= {name for version, name in ALL if refusal(version, name)}
