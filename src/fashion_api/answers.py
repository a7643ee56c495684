"""Answers, written straight from the classifier's arrays as JSON.

The pydantic models in `schemas` describe the same form, and a test holds the two together: made as models and then
dumped, an answer took several times as long.
"""

from collections.abc import Mapping, Sequence

import orjson

from fashion_api.inference.classifier import Predictions

JsonObject = dict[str, object]


def write_json(answer: Mapping[str, object]) -> bytes:
    """Write an answer's body."""
    return orjson.dumps(answer)


def describe_predictions(labels: Sequence[str], predictions: Predictions) -> list[JsonObject]:
    """Give each image's `schemas.Prediction`; `labels` stand in the order of the classes."""
    rows = predictions.probabilities.tolist()
    return [
        {
            "label": labels[class_id],
            "class_id": class_id,
            "probability": row[class_id],
            "probabilities": dict(zip(labels, row, strict=True)),
        }
        for class_id, row in zip(predictions.class_ids.tolist(), rows, strict=True)
    ]
