"""Predictions as JSON, held against the pydantic models that describe it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.wire.models import ModelId, Prediction
from fashion_api.wire.predictions import describe_predictions, identify_model, write_json
from fashion_api.wire.words import FASHION, OTHER
from tests.fakes import FAKE_CALIBRATION, NovelClassifier, fake_colour_model, fake_model, fake_test_set


def describe(model: LoadedModel, images: Images, coverage: float = 0.95) -> list[Prediction]:
    """Give the predictions that a client reads; a field too many or too few is an error."""
    predictions = model.classifier.classify(images)
    written = json.loads(write_json(describe_predictions(model, predictions, images, coverage=coverage)).body)
    assert all(set(prediction) == set(Prediction.model_fields) for prediction in written)
    return [Prediction.model_validate(prediction, strict=True) for prediction in written]


def images_with_novelty(*tenths: int) -> Images:
    images = fake_test_set().images[1 : 1 + len(tenths)].copy()
    images[:, -1, -1] = tenths
    return images


def test_plain_model_has_no_calibrated_fields() -> None:
    """For a model without calibration, the calibrated fields are null."""
    (prediction,) = describe(fake_model(), images_with_novelty(0))

    assert prediction.label == "Trouser"
    assert prediction.probability == pytest.approx(0.91)
    assert prediction.model_dump(
        include={"calibrated", "prediction_set", "novelty", "accepted", "reason", "reasons", "route"}
    ) == {
        "calibrated": None,
        "prediction_set": None,
        "novelty": None,
        "accepted": None,
        "reason": None,
        "reasons": [],
        "route": "direct",
    }


@pytest.mark.parametrize(("coverage", "size"), [(0.9, 1), (0.95, 2), (0.99, 3)])
def test_prediction_set_is_that_of_the_coverage(coverage: float, size: int) -> None:
    """The set has the labels that cannot be ruled out at the requested coverage, the most probable first."""
    (prediction,) = describe(fake_model(NovelClassifier()), images_with_novelty(0), coverage)

    assert prediction.calibrated is True
    assert prediction.prediction_set is not None
    assert (prediction.prediction_set[0], len(prediction.prediction_set)) == ("Trouser", size)


def test_novelty_is_scaled_to_the_threshold() -> None:
    """The novelty is the model's, divided by the threshold: an image with more than 1 is not accepted."""
    predictions = describe(fake_model(NovelClassifier()), images_with_novelty(0, 10, 20, 21))

    assert [prediction.novelty for prediction in predictions] == pytest.approx([0, 0.5, 1, 1.05])
    assert [prediction.accepted for prediction in predictions] == [True, True, True, False]


def test_reason_is_given_where_an_image_is_not_accepted() -> None:
    """An image that is not accepted has a reason with its codes, one that is accepted has none."""
    accepted, refused = describe(fake_model(NovelClassifier()), images_with_novelty(0, 255))

    assert (accepted.reason, accepted.reasons) == (None, [])
    assert (refused.reason, refused.reasons) == (
        f"{FASHION.reasons['unfamiliar']}; {FASHION.reasons['too-small']}; {FASHION.reasons['at-edge']}",
        ["unfamiliar", "too-small", "at-edge"],
    )


class UnsureClassifier(NovelClassifier):
    """Gives two classes nearly the same probability."""

    def classify(self, images: Images) -> Predictions:
        predictions = super().classify(images)
        return Predictions(predictions.probabilities * np.float32(0.5), predictions.novelty)


def test_improbable_class_is_a_reason() -> None:
    """An image that is not accepted and whose best class has less than half of the probability has that as a reason."""
    accepted, refused = describe(fake_model(UnsureClassifier()), images_with_novelty(0, 255))

    assert accepted.reasons == []
    assert refused.reasons[-1] == "unsure"


def test_novelty_is_scaled_to_the_threshold_of_the_predicted_class() -> None:
    """With thresholds for each class, a novelty of 1 is the threshold of the predicted class."""
    model = fake_model(NovelClassifier())
    assert model.manifest is not None
    assert FAKE_CALIBRATION.novelty is not None
    novelty = FAKE_CALIBRATION.novelty.model_copy(update={"class_thresholds": (9.0, 0.5, 4.0, *(9.0,) * 7)})
    calibration = FAKE_CALIBRATION.model_copy(update={"novelty": novelty})
    manifest = model.manifest.model_copy(update={"calibration": calibration})

    predictions = describe(replace(model, manifest=manifest), images_with_novelty(10, 10))

    assert [prediction.label for prediction in predictions] == ["Trouser", "Pullover"]
    assert [prediction.novelty for prediction in predictions] == pytest.approx([2, 0.25])
    assert [prediction.accepted for prediction in predictions] == [False, True]


def test_each_image_gets_its_own_novelty_in_a_batch() -> None:
    """In a batch, each image has the novelty that it has alone."""
    model, images = fake_model(NovelClassifier()), images_with_novelty(3, 200, 7)

    together = [prediction.novelty for prediction in describe(model, images)]

    assert together == [describe(model, images[index : index + 1])[0].novelty for index in range(3)]


def test_model_is_identified_by_name_and_version() -> None:
    """A reply names the model that predicted, as `ModelId` describes it."""
    assert ModelId.model_validate(identify_model(fake_model()), strict=True) == ModelId(
        name="fake", version="0123456789ab"
    )


def test_route_says_which_images_were_resized() -> None:
    """An image that had the model's size came directly, another as it was resized."""
    model, images = fake_model(), images_with_novelty(0, 0, 0)
    described = describe_predictions(model, model.classifier.classify(images), images, resized={1: "crop"})
    assert [prediction["route"] for prediction in described] == ["direct", "crop", "direct"]


def test_reasons_have_the_words_of_the_labels() -> None:
    """For another data set's labels, no reason speaks of articles; the codes are the same."""
    model = fake_colour_model(NovelClassifier())
    (refused,) = describe(model, np.full((1, 32, 32, 3), 30, np.uint8))
    assert refused.reasons == ["unfamiliar", "too-dark"]
    assert refused.reason == f"{OTHER.reasons['unfamiliar']}; the image is dark"
    assert all("article" not in words for words in OTHER.reasons.values())
