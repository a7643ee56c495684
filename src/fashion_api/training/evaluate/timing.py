"""The time that classifiers take for an image, measured side by side."""

import time
from collections.abc import Sequence

import numpy as np

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.manifest import InputSpec

_ROUNDS = 40
_CALLS = 25  # of each classifier in a round: some milliseconds, in which the load of a machine changes little


def time_in_turns(classifiers: Sequence[Classifier], spec: InputSpec) -> list[float]:
    """Time each classifier on one image at a time, in seconds.

    The classifiers take turns in short rounds, so that other load on the machine affects all alike. The result is the
    least of the rounds' means, which other load has affected least.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, *spec.shape), dtype=np.uint8)
    rounds = [[_time_round(classifier, image) for classifier in classifiers] for _ in range(_ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _time_round(classifier: Classifier, image: Images) -> float:
    started = time.perf_counter()
    for _ in range(_CALLS):
        classifier.classify(image)
    return (time.perf_counter() - started) / _CALLS
