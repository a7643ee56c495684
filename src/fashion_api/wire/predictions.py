"""Predictions as JSON, written from the classifier's arrays.

`fashion_api.wire.models` describes the same JSON. Building those models and dumping them would take several times as
long.
"""

from collections.abc import Mapping

import orjson

from fashion_api.images import Images
from fashion_api.inference.calibration import DEFAULT_COVERAGE
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.pictures.flaws import find_flaws
from fashion_api.pictures.resizing import Resize
from fashion_api.wire.json_body import JSON
from fashion_api.wire.operation import Reply
from fashion_api.wire.words import Reason, Words, choose_words

JsonObject = dict[str, object]

_LEAST_PROBABILITY = 0.5
"""Of the most probable class; below, the model is unsure."""


def write_json(answer: object) -> Reply:
    """Write a successful reply in JSON."""
    return Reply(200, JSON, orjson.dumps(answer))


def identify_model(model: LoadedModel) -> JsonObject:
    """Give the `models.ModelId` of a model."""
    return {"name": model.name, "version": model.version}


def describe_predictions(
    model: LoadedModel,
    predictions: Predictions,
    images: Images,
    *,
    coverage: float = DEFAULT_COVERAGE,
    resized: Mapping[int, Resize] | None = None,
) -> list[JsonObject]:
    """Give the `models.Prediction` of each image.

    Args:
        model: the model that predicted.
        predictions: of some images.
        images: uint8[n, height, width] or uint8[n, height, width, 3], these images.
        coverage: of the prediction sets, one of `COVERAGES`.
        resized: how those of them that had another size than the model's were resized, by their position.
    """
    labels, calibration = model.labels, model.calibration
    described: list[JsonObject] = []
    class_ids, rows = predictions.class_ids.tolist(), predictions.probabilities.tolist()
    for class_id, row in zip(class_ids, rows, strict=True):
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
                "reasons": [],
                "route": "direct",
            }
        )
    if resized:
        for position, route in resized.items():
            described[position]["route"] = route
    if calibration is not None and calibration.novelty is not None and predictions.novelty is not None:
        for index, (prediction, novelty) in enumerate(zip(described, predictions.novelty.tolist(), strict=True)):
            relative = novelty / calibration.novelty.get_threshold(class_ids[index])
            prediction["novelty"] = relative
            prediction["accepted"] = relative <= 1
            if relative > 1:
                _add_reasons(prediction, images[index], max(rows[index]), choose_words(labels))
    return described


def _add_reasons(prediction: JsonObject, image: Images, probability: float, words: Words) -> None:
    """Add to an image that is not accepted why it may not be; an accepted image costs nothing here."""
    reasons: list[Reason] = ["unfamiliar", *find_flaws(image)]
    if probability < _LEAST_PROBABILITY:
        reasons.append("unsure")
    prediction["reasons"] = reasons
    prediction["reason"] = "; ".join([words.reasons[reason] for reason in reasons])
