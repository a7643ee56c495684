"""Classification of many images in batches."""

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions

_BATCH_SIZE = 250


def classify_all(classifier: Classifier, images: Images) -> Predictions:
    """Classify uint8[n, height, width] in batches, in order."""
    starts = range(0, len(images), _BATCH_SIZE)
    return Predictions.join([classifier.classify(images[start : start + _BATCH_SIZE]) for start in starts])
