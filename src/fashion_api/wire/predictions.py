"""Predictions as JSON, written from the classifier's arrays.

`fashion_api.wire.models` describes the same JSON. Building those models and dumping them would take several times as
long.
"""

from collections.abc import Sequence

import orjson

from fashion_api.inference.calibration import DEFAULT_COVERAGE
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.wire.json_body import JSON
from fashion_api.wire.operation import Reply

JsonObject = dict[str, object]

UNFAMILIAR = "the image is unlike the articles that the model was trained on: its novelty is over 1"
"""Why an image is not accepted."""


def write_json(answer: object) -> Reply:
    """Write a successful reply in JSON."""
    return Reply(200, JSON, orjson.dumps(answer))


def identify_model(model: LoadedModel) -> JsonObject:
    """Give the `models.ModelId` of a model."""
    return {"name": model.name, "version": model.version}


def describe_predictions(
    model: LoadedModel, predictions: Predictions, *, coverage: float = DEFAULT_COVERAGE
) -> list[JsonObject]:
    """Give the `models.Prediction` of each image.

    Args:
        model: the model that predicted.
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
        _add_novelty(described, (predictions.novelty / calibration.novelty.threshold).tolist())
    return described


def _add_novelty(described: Sequence[JsonObject], novelties: Sequence[float]) -> None:
    """Add to each image its novelty and whether it is accepted."""
    for prediction, novelty in zip(described, novelties, strict=True):
        is_accepted = novelty <= 1
        prediction["novelty"] = novelty
        prediction["accepted"] = is_accepted
        prediction["reason"] = None if is_accepted else UNFAMILIAR
