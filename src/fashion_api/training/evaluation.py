"""Score a model on the test set as the service would answer it, and write the figures into its manifest."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fashion_api.dataset import DataSource, Images, Split
from fashion_api.exceptions import TrainingError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.manifest import EvaluationRecord, Manifest, manifest_path, write_manifest
from fashion_api.settings import Settings
from fashion_api.training.plots import plot_confusion_matrix
from fashion_api.training.scores import (
    Matrix,
    compute_wilson_interval,
    count_confusions,
    render_confusion_matrix,
    render_scores,
    score_classes,
)

logger = logging.getLogger(__name__)

_BATCH_SIZE = 250


@dataclass(frozen=True)
class EvaluationOutcome:
    """How a model scored, and where that is written."""

    model_path: Path
    labels: tuple[str, ...]
    record: EvaluationRecord
    """The manifest's."""
    matrix: Matrix
    plot_path: Path

    def summary(self) -> str:
        """Write all of it out, for the terminal."""
        record = self.record
        low, high = record.accuracy_interval
        figures = f"{record.accuracy:.4f} ({record.correct} of {record.images}; 95 % interval {low:.4f}–{high:.4f})"
        return "\n\n".join(
            (
                f"{self.model_path}: test accuracy {figures}",
                render_scores(record.classes),
                render_confusion_matrix(self.matrix, self.labels),
                f"written to {manifest_path(self.model_path)} and {self.plot_path}",
            )
        )


def evaluate_model(settings: Settings) -> EvaluationOutcome:
    """Classify the test set, once, with the model that the settings name, on the engine that they name.

    The figures go into the model's manifest, which is made if it has none, and the confusion matrix beside it as a PNG.

    Raises:
        ModelError: the model cannot be served.
        DataError: the test set is missing or broken, or is not what the model is for.
        TrainingError: a file cannot be written.
    """
    model = load_model(settings)
    shape = (model.input.height, model.input.width)
    split = DataSource.from_settings(settings, labels=model.labels, shape=shape).load("test")
    predicted = classify_all(model.classifier, split.images)
    matrix = count_confusions(split.labels, predicted, len(model.labels))
    record = score(matrix, split, model.labels)
    plot_path = settings.model_path.with_name(f"{settings.model_path.stem}_confusion_matrix.png")
    title = f"{model.name} {model.version}: {record.accuracy:.2%} of {record.images} test images"
    try:
        write_manifest(settings.model_path, _describe_model(model, settings, record))
        write_atomically(plot_path, plot_confusion_matrix(matrix, model.labels, title=title))
    except OSError as error:
        raise TrainingError(f"{error.filename or plot_path} cannot be written: {error.strerror}") from error
    return EvaluationOutcome(settings.model_path, model.labels, record, matrix, plot_path)


def classify_all(classifier: Classifier, images: Images) -> npt.NDArray[np.intp]:
    """Give the most probable class of each image, showing progress."""
    starts = tqdm(range(0, len(images), _BATCH_SIZE), desc="evaluating", unit="batch", leave=False, disable=None)
    return np.concatenate([classifier.classify(images[start : start + _BATCH_SIZE]).class_ids for start in starts])


def score(matrix: Matrix, split: Split, labels: tuple[str, ...]) -> EvaluationRecord:
    """Compute the figures of a confusion matrix over `split`."""
    correct, total = int(matrix.trace()), int(matrix.sum())
    return EvaluationRecord(
        data_sha256=split.sha256,
        images=total,
        correct=correct,
        accuracy=correct / total,
        accuracy_interval=compute_wilson_interval(correct, total),
        classes=score_classes(matrix, labels),
        confusion_matrix=tuple(tuple(int(count) for count in row) for row in matrix),
    )


def _describe_model(model: LoadedModel, settings: Settings, record: EvaluationRecord) -> Manifest:
    if model.manifest is not None:
        return model.manifest.model_copy(update={"evaluation": record})
    return Manifest(
        name=model.name,
        sha256=sha256_hex(settings.model_path.read_bytes()),
        labels=model.labels,
        input=model.input,
        evaluation=record,
    )
