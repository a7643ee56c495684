import numpy as np

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.training.classification import classify_all


class BandClassifier:
    """Takes an image whose first pixel is bright for the first of two classes."""

    def classify(self, images: Images) -> Predictions:
        is_first = images[:, 0, 0] > 128
        return Predictions(
            np.stack([is_first, ~is_first], axis=1).astype(np.float32), images[:, 0, 0].astype(np.float32)
        )


def test_every_image_is_classified_in_order() -> None:
    """Images that fill several batches and a part of one are all classified, in their order."""
    images = np.zeros((601, 2, 2), np.uint8)
    images[::3] = 255

    answers = classify_all(BandClassifier(), images)

    np.testing.assert_array_equal(answers.class_ids, np.arange(601) % 3 != 0)
    assert answers.novelty is not None
    np.testing.assert_array_equal(answers.novelty, images[:, 0, 0].astype(np.float32))


def test_large_images_are_classified_a_few_at_a_time() -> None:
    """A batch of larger images than 32×32 has fewer of them, so that it takes no more memory."""
    sizes: list[int] = []

    class CountingClassifier(BandClassifier):
        def classify(self, images: Images) -> Predictions:
            sizes.append(len(images))
            return super().classify(images)

    classify_all(CountingClassifier(), np.zeros((70, 64, 64), np.uint8))
    assert sizes == [62, 8]
