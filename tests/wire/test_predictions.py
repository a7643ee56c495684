"""What is written of the classifier's answers, by hand, beside the pydantic models that describe it."""

import json

import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.inference.loading import LoadedModel
from fashion_api.wire.models import Prediction
from fashion_api.wire.predictions import UNLIKE_ARTICLES, describe_predictions, write_json
from tests.fakes import NovelClassifier, fake_model, fake_test_set


def describe(model: LoadedModel, images: Images, coverage: float = 0.95) -> list[Prediction]:
    """Give what is written of some images, as a client reads it; a field too many or too few is an error."""
    predictions = model.classifier.classify(images)
    written = json.loads(write_json({"all": describe_predictions(model, predictions, coverage=coverage)}))["all"]
    assert all(set(prediction) == set(Prediction.model_fields) for prediction in written)
    return [Prediction.model_validate(prediction, strict=True) for prediction in written]


def images_with_novelty(*tenths: int) -> Images:
    images = fake_test_set().images[1 : 1 + len(tenths)].copy()
    images[:, -1, -1] = tenths
    return images


def test_plain_model_has_no_calibrated_fields() -> None:
    """Of a model whose manifest says nothing of calibration, these fields are null."""
    (prediction,) = describe(fake_model(), images_with_novelty(0))

    assert prediction.label == "Trouser"
    assert prediction.probability == pytest.approx(0.91)
    assert prediction.model_dump(include={"calibrated", "prediction_set", "novelty", "accepted", "reason"}) == {
        "calibrated": None,
        "prediction_set": None,
        "novelty": None,
        "accepted": None,
        "reason": None,
    }


@pytest.mark.parametrize(("coverage", "size"), [(0.9, 1), (0.95, 2), (0.99, 3)])
def test_prediction_set_is_that_of_the_coverage(coverage: float, size: int) -> None:
    """The set has the labels that cannot be ruled out at the coverage asked for, the most probable first."""
    (prediction,) = describe(fake_model(NovelClassifier()), images_with_novelty(0), coverage)

    assert prediction.calibrated is True
    assert prediction.prediction_set is not None
    assert (prediction.prediction_set[0], len(prediction.prediction_set)) == ("Trouser", size)


def test_novelty_is_scaled_to_the_threshold() -> None:
    """The novelty is the model's, divided by the threshold, so that 1 is where an image stops being accepted."""
    predictions = describe(fake_model(NovelClassifier()), images_with_novelty(0, 10, 20, 21))

    assert [prediction.novelty for prediction in predictions] == pytest.approx([0, 0.5, 1, 1.05])
    assert [prediction.accepted for prediction in predictions] == [True, True, True, False]


def test_reason_is_given_where_an_image_is_not_accepted() -> None:
    """What is not accepted has a reason, what is accepted has none."""
    accepted, refused = describe(fake_model(NovelClassifier()), images_with_novelty(0, 255))

    assert (accepted.reason, refused.reason) == (None, UNLIKE_ARTICLES)


def test_each_image_gets_its_own_novelty_in_a_batch() -> None:
    """In a batch, each image has the novelty that it has alone."""
    model, images = fake_model(NovelClassifier()), images_with_novelty(3, 200, 7)

    together = [prediction.novelty for prediction in describe(model, images)]

    assert together == [describe(model, images[index : index + 1])[0].novelty for index in range(3)]


def test_parts_of_a_batch_join_to_the_whole() -> None:
    """Predictions that were taken apart and joined are what they were."""
    whole = NovelClassifier().classify(images_with_novelty(3, 200, 7))
    joined = type(whole).join([whole.take(0, 1), whole.take(1, 3)])

    np.testing.assert_array_equal(joined.probabilities, whole.probabilities)
    np.testing.assert_array_equal(joined.novelty, whole.novelty)
