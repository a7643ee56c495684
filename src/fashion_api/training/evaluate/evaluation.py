"""Score a model on the test set as the service would answer it, and write the figures into its manifest and its card.

docs/evaluation.md says what each figure is and how it is made.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import DataNotFoundError, TrainingError
from fashion_api.files import sha256_hex
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import CostRecord
from fashion_api.inference.keras_engine import load_keras_model
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.manifest import EvaluationRecord, Manifest, manifest_path, read_manifest, write_manifest
from fashion_api.settings import Settings
from fashion_api.training.evaluate.calibrating import calibrate_model, load_training_data
from fashion_api.training.evaluate.classes import compute_wilson_interval, count_confusions, score_classes
from fashion_api.training.evaluate.classification import classify_all
from fashion_api.training.evaluate.cost import measure_cost
from fashion_api.training.evaluate.measures import (
    measure_calibration,
    measure_corruptions,
    measure_mirrored,
    measure_prediction_sets,
)
from fashion_api.training.evaluate.novelty import FeatureExtractor, has_features
from fashion_api.training.evaluate.novelty_report import report_novelty
from fashion_api.training.evaluate.out_of_distribution import DRAWN_IMAGES, load_digits
from fashion_api.training.fit.backend import Model
from fashion_api.training.fit.checkpoint import Epoch
from fashion_api.training.fit.history import log_path, read_history
from fashion_api.training.fit.validation import TrainingData
from fashion_api.training.report.card import render_summary, write_card
from fashion_api.training.report.figures import write_figures

logger = logging.getLogger(__name__)

MeasureCost: TypeAlias = Callable[[LoadedModel, Model, Settings], CostRecord]


@dataclass(frozen=True)
class EvaluationOutcome:
    """How a model scored, and where that is written."""

    model_path: Path
    labels: tuple[str, ...]
    record: EvaluationRecord
    """The manifest's."""
    paths: tuple[Path, ...]
    """What was written."""

    def summary(self) -> str:
        """Write the figures out, for the terminal."""
        written = "written: " + ", ".join(map(str, self.paths))
        return f"{self.model_path}: {render_summary(self.record, self.labels)}\n\n{written}"


def evaluate_model(
    settings: Settings, *, cost: MeasureCost = measure_cost, drawn: int = DRAWN_IMAGES
) -> EvaluationOutcome:
    """Score the model that the settings name on the test set, on the engine that they name.

    A model that has no calibration yet, but a record of its training, is calibrated first, on its validation images.
    The figures go into the model's manifest, which is made if it has none; the plots and the card stand beside it.

    Args:
        settings: the model, the data, and where MNIST's digits are.
        cost: tells what an answer of the model costs.
        drawn: how many images to make of each made-up kind that shows no article.

    Raises:
        ModelError: the model cannot be served.
        DataError: the data set is missing or broken, or is not what the model is for; or the digits are.
        TrainingError: a file cannot be written, or the training log is broken.
    """
    history = read_history(log_path(settings.model_path))
    _calibrate_if_needed(settings)
    model = load_model(settings)
    shape = (model.input.height, model.input.width)
    digits = load_digits(settings.digits_file, shape)
    test = DataSource.from_settings(settings, labels=model.labels, shape=shape).load("test")
    logger.info("accuracy, on %d test images", len(test))
    answers = classify_all(model.classifier, test.images)
    network = load_keras_model(settings.model_path.read_bytes(), model.input)
    data = _find_training_data(model, settings)
    novelty = None
    if data is not None:
        extractor = _make_extractor(network, model)
        novelty = report_novelty(model, extractor, data, test, digits=digits, drawn=drawn)
    measured = _measure_answers(model, answers, test) | {"novelty": novelty, "cost": cost(model, network, settings)}
    record = score(answers, test, model.labels).model_copy(update=measured)
    manifest = _describe_model(model, settings, record)
    paths = _write(settings.model_path, manifest, test, answers, history=history)
    return EvaluationOutcome(settings.model_path, model.labels, record, paths)


def score(answers: Predictions, split: Split, labels: tuple[str, ...]) -> EvaluationRecord:
    """Compute the accuracy of the answers to the images of `split`."""
    matrix = count_confusions(split.labels, answers.class_ids, len(labels))
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


def _calibrate_if_needed(settings: Settings) -> None:
    """Calibrate a model that has a history but no calibration; where the training set is missing, it stays as it is."""
    manifest = read_manifest(settings.model_path)
    if manifest is not None and manifest.calibration is None and manifest.training is not None:
        logger.info("calibration, on the validation images")
        try:
            calibrate_model(settings)
        except DataNotFoundError as error:
            logger.warning("calibration is left out: %s", error)


def _find_training_data(model: LoadedModel, settings: Settings) -> TrainingData | None:
    """Load what the model was trained and validated on; `None` where that is not known, or not at hand."""
    try:
        return load_training_data(model, settings)
    except DataNotFoundError as error:
        logger.warning("novelty is left out: %s", error)
        return None


def _measure_answers(model: LoadedModel, answers: Predictions, test: Split) -> dict[str, object]:
    """Measure all that the served classifier alone can tell."""
    calibration = model.calibration
    recipe = None if model.manifest is None or model.manifest.training is None else model.manifest.training.recipe
    measured: dict[str, object] = {
        "mirrored_accuracy": measure_mirrored(model.classifier, test),
        "corruptions": measure_corruptions(model.classifier, test, recipe=recipe),
    }
    if calibration is not None:
        probabilities = answers.probabilities
        measured |= {
            "calibration": measure_calibration(probabilities, test.labels, temperature=calibration.temperature),
            "prediction_sets": measure_prediction_sets(
                probabilities, test.labels, sets=calibration.prediction_sets, names=model.labels
            ),
        }
    return measured


def _make_extractor(network: Model, model: LoadedModel) -> FeatureExtractor | None:
    return FeatureExtractor(network, model.input) if has_features(network) else None


def _write(
    path: Path, manifest: Manifest, test: Split, answers: Predictions, *, history: Sequence[Epoch]
) -> tuple[Path, ...]:
    """Write the manifest, the plots and the card of the model at `path`, and tell where they are."""
    try:
        write_manifest(path, manifest)
        figures = write_figures(path, manifest, test, answers, history=history)
        return (manifest_path(path), *figures, *write_card(path))
    except OSError as error:
        raise TrainingError(f"{error.filename or path.parent} cannot be written: {error.strerror}") from error


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
