"""Classification of many images in batches."""

from tqdm import tqdm

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions

_BATCH_SIZE = 250


def classify_all(classifier: Classifier, images: Images, *, description: str = "evaluating") -> Predictions:
    """Classify uint8[n, height, width] in batches, in order, with a progress bar."""
    starts = tqdm(range(0, len(images), _BATCH_SIZE), desc=description, unit="batch", leave=False, disable=None)
    return Predictions.join([classifier.classify(images[start : start + _BATCH_SIZE]) for start in starts])
