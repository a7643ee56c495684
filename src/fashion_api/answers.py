"""From the classifier's arrays to the contract's models."""

from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.schemas import ModelId, Prediction


def model_id(model: LoadedModel) -> ModelId:
    """Say which model answers."""
    return ModelId(name=model.name, version=model.version)


def to_predictions(model: LoadedModel, predictions: Predictions) -> list[Prediction]:
    """Write out each image's prediction."""
    rows = predictions.probabilities.tolist()
    return [
        Prediction(
            label=model.labels[class_id],
            class_id=class_id,
            probability=row[class_id],
            probabilities=dict(zip(model.labels, row, strict=True)),
        )
        for class_id, row in zip(predictions.class_ids.tolist(), rows, strict=True)
    ]
