"""The features and logits of a Keras model, which novelty detectors score."""

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.training.classification import limit_batch
from fashion_api.training.evaluate.detectors import Features
from fashion_api.training.network.backend import Model, keras, tf

_BATCH_SIZE = 500


class FeatureExtractor:
    """Computes the features and logits of a model whose last dense layer is called `logits`."""

    def __init__(self, model: Model, spec: InputSpec) -> None:
        layer = model.get_layer("logits")
        part = keras.Model(model.inputs[0], [layer.input, layer.output])
        self._shape = tuple(part.input_shape[1:])
        self._infer = tf.function(
            lambda pixels: part(pixels, training=False),
            input_signature=[tf.TensorSpec((None, *self._shape), tf.float32)],
        )
        self._spec = spec
        kernel, bias = layer.get_weights()
        self.kernel: npt.NDArray[np.float64] = kernel.astype(np.float64)
        """float64[features, classes]."""
        self.bias: npt.NDArray[np.float64] = bias.astype(np.float64)
        """float64[classes]."""

    def extract(self, images: Images) -> Features:
        """Compute the features and logits of images."""
        batches = []
        size = limit_batch(_BATCH_SIZE, images)
        for start in range(0, len(images), size):
            pixels = self._spec.scale(images[start : start + size].astype(np.float32))
            batches.append([output.numpy() for output in self._infer(pixels.reshape(-1, *self._shape))])
        values, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return Features(values.reshape(len(images), -1), logits)


def has_features(model: Model) -> bool:
    """Give whether a model ends as `FeatureExtractor` needs it."""
    names = {layer.name for layer in model.layers}
    return "logits" in names and len(model.get_layer("logits").get_weights()) == 2  # noqa: PLR2004  # kernel and bias
