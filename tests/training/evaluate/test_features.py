import numpy as np
import pytest

from fashion_api.inference.manifest import InputSpec
from fashion_api.training.evaluate.features import FeatureExtractor, has_features
from fashion_api.training.network.backend import Model, keras

pytestmark = pytest.mark.tensorflow


def build_network() -> Model:
    """Build a network of 4×4 images that ends as `FeatureExtractor` needs it."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(6, activation="relu", name="features"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, name="logits"),
            keras.layers.Softmax(),
        ]
    )


def test_features_are_what_the_last_layer_is_given() -> None:
    """The last layer maps the features to the logits; pixels are scaled to the model's range."""
    network = build_network()
    extractor = FeatureExtractor(network, InputSpec(height=4, width=4, pixel_range=(0.0, 1.0)))
    images = np.random.default_rng(0).integers(0, 256, (700, 4, 4), dtype=np.uint8)
    features = extractor.extract(images)
    np.testing.assert_allclose(features.values @ extractor.kernel + extractor.bias, features.logits, atol=1e-4)
    np.testing.assert_allclose(keras.ops.softmax(features.logits), network(images[..., None] / 255.0), atol=1e-5)


def test_network_without_logits_has_no_features() -> None:
    """A network without a layer called `logits` has no features."""
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    assert (has_features(network), has_features(build_network())) == (False, True)
