"""Novelty detectors: the model's own output, and methods of the literature to compare it with.

Each gives a score that is higher for images less like the articles. All but the model's own output use its last layer:
the logits, or the features that the logits are computed from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.evaluation_record import OWN_OUTPUT
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import scale_novelty

Scores = Mapping[str, npt.NDArray[np.float64]]
"""By method: float64[n] each."""
Matrix = npt.NDArray[np.float64]

_NEIGHBOUR = 10  # of 10,000 images, as Sun et al. take the 50th of 50,000
_QUERIES = 1000  # at a time, to limit the memory of the distances


@dataclass(frozen=True)
class Features:
    """The input and the output of a model's last dense layer."""

    values: npt.NDArray[np.float32]
    """float32[n, features]."""
    logits: npt.NDArray[np.float32]
    """float32[n, classes]."""


class Extractor(Protocol):
    """Computes the features and logits of a model."""

    kernel: Matrix
    """float64[features, classes], of the last dense layer."""
    bias: Matrix
    """float64[classes]."""

    def extract(self, images: Images) -> Features:
        """Compute the features and logits of uint8[n, height, width]."""
        ...


class Detectors:
    """All detectors that a model allows, fitted on articles.

    Args:
        classifier: the model as served, for its own output.
        extractor: of the same model; `None` if it does not end in a dense layer called `logits`.
        articles: uint8[n, height, width], the training images to fit on.
        labels: [n], their classes.
        thresholds: of the model's own output, by which it is scaled; it is not scaled without them.
    """

    def __init__(
        self,
        classifier: Classifier,
        extractor: Extractor | None,
        articles: Images,
        labels: Labels,
        *,
        thresholds: NoveltyThresholds | None = None,
    ) -> None:
        self._classifier = classifier
        self._thresholds = thresholds
        self._extractor = extractor
        if extractor is None:
            return
        known = extractor.extract(articles)
        self._gaussians = ClassGaussians(known.values, labels)
        self._neighbours = Neighbours(known.values)
        self._residual = Residual(known, extractor.kernel, extractor.bias)

    def score(self, images: Images) -> Scores:
        """Score uint8[n, height, width] by every method, in the order of their cost in serving, the cheapest first."""
        answers = classify_all(self._classifier, images)
        scores: dict[str, npt.NDArray[np.float64]] = {}
        if answers.novelty is not None:
            scores[OWN_OUTPUT] = answers.novelty.astype(np.float64)
            if self._thresholds is not None:
                scores[OWN_OUTPUT] = scale_novelty(answers, self._thresholds)
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


def sum_exponentials(logits: Floats) -> npt.NDArray[np.float64]:
    """Compute the logarithm of the sum of the exponentials: float64[n] from [n, classes].

    Its negative is the energy, at T = 1 (W. Liu et al., "Energy-based Out-of-distribution Detection",
    arXiv:2010.03759).
    """
    values = logits.astype(np.float64)
    largest = values.max(axis=1)
    sums: npt.NDArray[np.float64] = largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))
    return sums


def score_maximum_softmax(logits: Floats) -> npt.NDArray[np.float64]:
    """Compute -log of the largest probability (D. Hendrycks, K. Gimpel, arXiv:1610.02136): float64[n].

    The logarithm distinguishes probabilities that float32 rounds to 1.
    """
    values = logits.astype(np.float64)
    others = np.sort(values - values.max(axis=1, keepdims=True), axis=1)[:, :-1]
    scores: npt.NDArray[np.float64] = np.log1p(np.exp(others).sum(axis=1))
    return scores


class ClassGaussians:
    """The squared Mahalanobis distance to the nearest class (K. Lee et al., arXiv:1807.03888), in the last layer alone.

    Each class is a normal distribution with its own mean; all share one covariance. They are fitted on `values`,
    [n, features], of the classes `labels`, [n].
    """

    def __init__(self, values: Floats, labels: Labels) -> None:
        known = values.astype(np.float64)
        classes, members = np.unique(labels, return_inverse=True)
        self._means = np.stack([known[members == index].mean(axis=0) for index in range(len(classes))])
        centred = known - self._means[members]
        # With constant features, or more features than images, there is no inverse.
        self._precision = np.linalg.pinv(centred.T @ centred / len(known), hermitian=True)

    def score(self, values: Floats) -> npt.NDArray[np.float64]:
        """Score [n, features]: float64[n]."""
        differences = values.astype(np.float64) - self._means[:, None]
        distances: npt.NDArray[np.float64] = ((differences @ self._precision) * differences).sum(axis=2).min(axis=0)
        return distances


class Neighbours:
    """The distance to the k-th nearest of known features, all scaled to length 1 (Y. Sun et al., arXiv:2204.06507)."""

    def __init__(self, values: Floats, k: int = _NEIGHBOUR) -> None:
        self._known = _normalise(values)
        self._k = min(k, len(values))

    def score(self, values: Floats) -> npt.NDArray[np.float64]:
        """Score [n, features]: float64[n]."""
        queries = _normalise(values)
        nearest = [
            np.partition(queries[start : start + _QUERIES] @ self._known.T, -self._k, axis=1)[:, -self._k]
            for start in range(0, len(queries), _QUERIES)
        ]
        cosines = np.concatenate(nearest).astype(np.float64)
        distances: npt.NDArray[np.float64] = np.sqrt(np.maximum(2 - 2 * cosines, 0))
        return distances


def _normalise(values: Floats) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    normalised: npt.NDArray[np.float32] = (values / np.maximum(lengths, 1e-12)).astype(np.float32)
    return normalised


class Residual:
    """Virtual-logit matching (H. Wang et al., "ViM", arXiv:2203.10807).

    The part of the features outside the articles' principal space is scaled to the logits and compared with them: the
    score is the logarithm of the virtual logit's odds. The principal space has half the features' dimensions, as the
    authors choose for small networks.
    """

    def __init__(self, known: Features, kernel: Matrix, bias: Matrix) -> None:
        self._origin = -np.linalg.pinv(kernel.T) @ bias
        centred = known.values.astype(np.float64) - self._origin
        _, directions = np.linalg.eigh(centred.T @ centred)  # from the least variance to the most
        self._outside = directions[:, : max(1, centred.shape[1] // 2)]
        lengths = np.linalg.norm(centred @ self._outside, axis=1).mean()
        self._alpha = known.logits.max(axis=1).astype(np.float64).mean() / max(lengths, 1e-12)

    def score(self, features: Features) -> npt.NDArray[np.float64]:
        """Score the features and logits of n images: float64[n]."""
        centred = features.values.astype(np.float64) - self._origin
        virtual = self._alpha * np.linalg.norm(centred @ self._outside, axis=1)
        scores: npt.NDArray[np.float64] = virtual - sum_exponentials(features.logits)
        return scores
