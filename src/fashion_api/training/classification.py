"""Classification of many images in batches."""

import math

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions

_BATCH_SIZE = 250
_BATCH_PIXELS = 32 * 32  # of an image, up to which a batch is not made smaller


def classify_all(classifier: Classifier, images: Images) -> Predictions:
    """Classify images in batches, in order."""
    size = limit_batch(_BATCH_SIZE, images)
    starts = range(0, len(images), size)
    return Predictions.join([classifier.classify(images[start : start + size]) for start in starts])


def limit_batch(size: int, images: Images) -> int:
    """Lower the size of a batch for large images, so that it takes no more memory than one of 32×32 pixels."""
    return max(1, min(size, size * _BATCH_PIXELS // max(1, math.prod(images.shape[1:3]))))
