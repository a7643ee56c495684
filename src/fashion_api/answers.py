"""From the classifier's arrays to the contract's models."""

from collections.abc import Sequence

from fashion_api.inference.classifier import Predictions
from fashion_api.schemas import Prediction


def to_predictions(labels: Sequence[str], predictions: Predictions) -> list[Prediction]:
    """Write out each image's prediction; `labels` stand in the order of the classes."""
    rows = predictions.probabilities.tolist()
    return [
        Prediction(
            label=labels[class_id],
            class_id=class_id,
            probability=row[class_id],
            probabilities=dict(zip(labels, row, strict=True)),
        )
        for class_id, row in zip(predictions.class_ids.tolist(), rows, strict=True)
    ]
