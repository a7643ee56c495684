"""Answers, written straight from the classifier's arrays as JSON.

The pydantic models in `schemas` describe the same form, and a test holds the two together: made as models and then
dumped, an answer took several times as long.
"""

from collections.abc import Mapping, Sequence

import orjson

from fashion_api.inference.calibration import DEFAULT_COVERAGE
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel

JsonObject = dict[str, object]

UNLIKE_ARTICLES = "the image is unlike the articles that the model was trained on: its novelty is over 1"
"""Why an image is not accepted."""


def write_json(answer: Mapping[str, object]) -> bytes:
    """Write an answer's body."""
    return orjson.dumps(answer)


def describe_predictions(
    model: LoadedModel, predictions: Predictions, *, coverage: float = DEFAULT_COVERAGE
) -> list[JsonObject]:
    """Give each image's `schemas.Prediction`.

    Args:
        model: whose predictions they are.
        predictions: of some images.
        coverage: of the prediction sets, one of `COVERAGES`.
    """
    labels, calibration = model.labels, model.calibration
    described: list[JsonObject] = []
    for class_id, row in zip(predictions.class_ids.tolist(), predictions.probabilities.tolist(), strict=True):
        prediction_set = None
        if calibration is not None:
            found = calibration.prediction_sets.find_classes(row, coverage)
            prediction_set = [labels[found_id] for found_id in found]
        described.append(
            {
                "label": labels[class_id],
                "class_id": class_id,
                "probability": row[class_id],
                "probabilities": dict(zip(labels, row, strict=True)),
                "calibrated": None if calibration is None else True,
                "prediction_set": prediction_set,
                "novelty": None,
                "accepted": None,
                "reason": None,
            }
        )
    if calibration is not None and calibration.novelty is not None and predictions.novelty is not None:
        _judge(described, (predictions.novelty / calibration.novelty.threshold).tolist())
    return described


def _judge(described: Sequence[JsonObject], novelties: Sequence[float]) -> None:
    """Say of each image how novel it is, and whether it is accepted."""
    for prediction, novelty in zip(described, novelties, strict=True):
        is_accepted = novelty <= 1
        prediction["novelty"] = novelty
        prediction["accepted"] = is_accepted
        prediction["reason"] = None if is_accepted else UNLIKE_ARTICLES
