"""Ways of telling what is no article: the model's own output, and those of the literature to hold it against.

Each gives a score that is higher for what is less like the articles. All but the model's own come from its last layer:
from the logits, or from the features that the logits are computed from.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.manifest import InputSpec
from fashion_api.training.evaluate.classification import classify_all
from fashion_api.training.evaluate.metrics import Labels
from fashion_api.training.fit.backend import Model, keras, tf

Scores = Mapping[str, npt.NDArray[np.float64]]
"""By method: float64[n] each."""
Matrix = npt.NDArray[np.float64]

OWN = "own output"
_NEIGHBOUR = 10  # of 10,000 images, as Sun et al. take the 50th of 50,000
_BATCH_SIZE = 500
_QUERIES = 1000  # at a time, so that the distances fit into the processor's cache and memory


@dataclass(frozen=True)
class Features:
    """What a model's last layer is given, and what it makes of it."""

    values: npt.NDArray[np.float32]
    """float32[n, features]."""
    logits: npt.NDArray[np.float32]
    """float32[n, classes]."""


class FeatureExtractor:
    """Computes the features and the logits of a model whose last dense layer is called `logits`."""

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
        self.kernel: Matrix = kernel.astype(np.float64)
        """float64[features, classes]."""
        self.bias: Matrix = bias.astype(np.float64)
        """float64[classes]."""

    def extract(self, images: Images) -> Features:
        """Compute those of uint8[n, height, width]."""
        low, high = self._spec.pixel_range
        batches = []
        for start in range(0, len(images), _BATCH_SIZE):
            pixels = images[start : start + _BATCH_SIZE].astype(np.float32) * ((high - low) / 255.0) + low
            batches.append([output.numpy() for output in self._infer(pixels.reshape(-1, *self._shape))])
        values, logits = (np.concatenate(parts) for parts in zip(*batches, strict=True))
        return Features(values.reshape(len(images), -1), logits)


def has_features(model: Model) -> bool:
    """Tell whether a model ends as `FeatureExtractor` needs it."""
    names = {layer.name for layer in model.layers}
    return "logits" in names and len(model.get_layer("logits").get_weights()) == 2  # noqa: PLR2004  # kernel and bias


class NoveltyMethods:
    """All methods that a model allows, fitted on articles.

    Args:
        classifier: the model as it is served, for its own output.
        extractor: for the features; `None` where the model does not end in a dense layer called `logits`.
        articles: uint8[n, height, width], training images, which the methods learn from.
        labels: [n], what they show.
    """

    def __init__(
        self, classifier: Classifier, extractor: FeatureExtractor | None, articles: Images, labels: Labels
    ) -> None:
        self._classifier = classifier
        self._extractor = extractor
        if extractor is None:
            return
        known = extractor.extract(articles)
        self._gaussians = ClassGaussians(known.values, labels)
        self._neighbours = Neighbours(known.values)
        self._residual = Residual(known, extractor.kernel, extractor.bias)

    def score(self, images: Images, *, description: str) -> Scores:
        """Score uint8[n, height, width] by every method, from the cheapest to the dearest to serve."""
        answers = classify_all(self._classifier, images, description=description)
        scores = {} if answers.novelty is None else {OWN: answers.novelty.astype(np.float64)}
        if self._extractor is None:
            return scores | {"maximum softmax": 1 - answers.probabilities.max(axis=1).astype(np.float64)}
        features = self._extractor.extract(images)
        return scores | {
            "maximum softmax": score_maximum_softmax(features.logits),
            "energy": -sum_exponentials(features.logits),
            "Mahalanobis": self._gaussians.score(features.values),
            "ViM": self._residual.score(features),
            "k nearest neighbours": self._neighbours.score(features.values),
        }


def sum_exponentials(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Give the logarithm of the sum of the exponentials: float64[n] from [n, classes].

    Its negative is the energy, at T = 1 (W. Liu et al., "Energy-based Out-of-distribution Detection",
    arXiv:2010.03759).
    """
    values = logits.astype(np.float64)
    largest = values.max(axis=1)
    sums: npt.NDArray[np.float64] = largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))
    return sums


def score_maximum_softmax(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Give -log of the largest probability (D. Hendrycks, K. Gimpel, arXiv:1610.02136): float64[n].

    The logarithm keeps apart what float32 rounds to a probability of 1.
    """
    values = logits.astype(np.float64)
    others = np.sort(values - values.max(axis=1, keepdims=True), axis=1)[:, :-1]
    scores: npt.NDArray[np.float64] = np.log1p(np.exp(others).sum(axis=1))
    return scores


class ClassGaussians:
    """The squared Mahalanobis distance to the nearest class (K. Lee et al., arXiv:1807.03888), of the last layer alone.

    The classes are normal distributions with means of their own and one covariance, fitted on `values`, [n, features],
    of the classes `labels`, [n].
    """

    def __init__(self, values: npt.NDArray[np.floating], labels: Labels) -> None:
        known = values.astype(np.float64)
        classes, members = np.unique(labels, return_inverse=True)
        self._means = np.stack([known[members == index].mean(axis=0) for index in range(len(classes))])
        centred = known - self._means[members]
        # Of features that never vary, and of more features than images, there is no inverse.
        self._precision = np.linalg.pinv(centred.T @ centred / len(known), hermitian=True)

    def score(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Give float64[n] for [n, features]."""
        differences = values.astype(np.float64) - self._means[:, None]
        distances: npt.NDArray[np.float64] = ((differences @ self._precision) * differences).sum(axis=2).min(axis=0)
        return distances


class Neighbours:
    """The distance to the k-th nearest of known features, all scaled to length 1 (Y. Sun et al., arXiv:2204.06507)."""

    def __init__(self, values: npt.NDArray[np.floating], k: int = _NEIGHBOUR) -> None:
        self._known = _normalise(values)
        self._k = min(k, len(values))

    def score(self, values: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Give float64[n] for [n, features]."""
        queries = _normalise(values)
        nearest = [
            np.partition(queries[start : start + _QUERIES] @ self._known.T, -self._k, axis=1)[:, -self._k]
            for start in range(0, len(queries), _QUERIES)
        ]
        cosines = np.concatenate(nearest).astype(np.float64)
        distances: npt.NDArray[np.float64] = np.sqrt(np.maximum(2 - 2 * cosines, 0))
        return distances


def _normalise(values: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    normalised: npt.NDArray[np.float32] = (values / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised


class Residual:
    """Virtual-logit matching (H. Wang et al., "ViM", arXiv:2203.10807).

    The part of the features outside the articles' principal space, scaled to the logits and held against them: the
    logarithm of the virtual logit's odds. The principal space has half the features' dimensions, as the authors take it
    for small networks.
    """

    def __init__(self, known: Features, kernel: Matrix, bias: Matrix) -> None:
        self._origin = -np.linalg.pinv(kernel.T) @ bias
        centred = known.values.astype(np.float64) - self._origin
        _, directions = np.linalg.eigh(centred.T @ centred)  # from the least variance to the most
        self._outside = directions[:, : max(1, centred.shape[1] // 2)]
        lengths = np.linalg.norm(centred @ self._outside, axis=1).mean()
        self._alpha = known.logits.max(axis=1).astype(np.float64).mean() / max(lengths, 1e-12)

    def score(self, features: Features) -> npt.NDArray[np.float64]:
        """Give float64[n]."""
        centred = features.values.astype(np.float64) - self._origin
        virtual = self._alpha * np.linalg.norm(centred @ self._outside, axis=1)
        scores: npt.NDArray[np.float64] = virtual - sum_exponentials(features.logits)
        return scores
