import pytest

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.manifest import InputSpec
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.training.evaluate.timing import time_in_turns
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import keras
from fashion_api.training.recipes import RECIPES
from tests.fakes import FakeClassifier

pytestmark = pytest.mark.tensorflow


class NamedClassifier(FakeClassifier):
    """Records its name at every call."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self._name, self._calls = name, calls

    def classify(self, images: Images) -> Predictions:
        self._calls.append(self._name)
        return super().classify(images)


def test_multiply_adds_of_the_tutorials_network() -> None:
    """A kernel counts once for each pixel of its output: by hand."""
    model = build_model(RECIPES["tutorial"], shape=(28, 28), classes=10, precision="float32")
    by_hand = 28 * 28 * (2 * 2 * 64) + 14 * 14 * (2 * 2 * 64 * 32) + 7 * 7 * 32 * 256 + 256 * 10
    assert count_multiply_adds(model) == by_hand


def test_strides_save_multiply_adds() -> None:
    """A convolution with a quarter of the output pixels has a quarter of the multiplications."""

    def count(strides: int) -> int:
        layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(3, 3, strides=strides, padding="same")]
        return count_multiply_adds(keras.Sequential(layers))

    assert (count(1), count(2)) == (8 * 8 * 9 * 3, 4 * 4 * 9 * 3)


def test_classifiers_take_turns() -> None:
    """Two classifiers are timed in alternation, equally often; each time is above 0."""
    asked: list[str] = []
    times = time_in_turns([NamedClassifier("a", asked), NamedClassifier("b", asked)], InputSpec(height=28, width=28))
    turns = [asked[index] for index in range(len(asked)) if index == 0 or asked[index] != asked[index - 1]]
    assert turns == ["a", "b"] * (len(turns) // 2)
    assert asked.count("a") == asked.count("b")
    assert min(times) > 0
