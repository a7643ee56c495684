"""Evaluates a model on the test set as the service would answer it, and writes its manifest, figures and card.

docs/explanation/evaluation.md defines each figure.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import DataNotFoundError, TrainingError
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import CostRecord, EvaluationRecord
from fashion_api.inference.keras_engine import KerasClassifier, load_keras_model
from fashion_api.inference.loading import LoadedModel, load_model_file, self_test
from fashion_api.inference.manifest import Manifest, manifest_path, write_manifest
from fashion_api.inference.model_file import ModelFile, read_model_file
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import Settings
from fashion_api.training.calibrate.calibrator import calibrate_classifier
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import find_thresholds
from fashion_api.training.evaluate.cost import measure_cost
from fashion_api.training.evaluate.features import FeatureExtractor, has_features
from fashion_api.training.evaluate.measures import (
    measure_accuracy,
    measure_calibration,
    measure_prediction_sets,
)
from fashion_api.training.evaluate.nonsense import QUERIES, SEEDS, measure_nonsense
from fashion_api.training.evaluate.novelty import find_not_measured, measure_novelty
from fashion_api.training.evaluate.robustness import measure_corruptions, measure_mirrored, measure_poor_pictures
from fashion_api.training.evaluate.stages import Show, Stages, show_nothing
from fashion_api.training.history import Epoch, log_path, read_history
from fashion_api.training.network.backend import Model
from fashion_api.training.report.card import write_card
from fashion_api.training.report.figures import write_figures
from fashion_api.training.report.summary import render_summary
from fashion_api.training.synthetic.corruptions import CORRUPTIONS
from fashion_api.training.synthetic.out_of_distribution import DRAWN_IMAGES, load_digits
from fashion_api.training.synthetic.poor_pictures import MET, UNMET
from fashion_api.training.validation import TrainingData, load_training_data

logger = logging.getLogger(__name__)

STAGES: Mapping[str, float] = MappingProxyType(
    {
        "model and data": 6,
        "accuracy": 1,
        "altered images": 40,
        "poor pictures": 55,
        "search for nonsense": 20,
        "cost": 5,
        "novelty": 75,
        "figures and card": 2,
    }
)
"""The stages, with the seconds that each took for a model of the recipe `compact` on two cores that were shared."""
_NOVELTY_PARTS = 30
"""The kinds of images that novelty is measured on, nearly."""

MeasureCost: TypeAlias = Callable[[ModelFile, Model, Path], CostRecord]


@dataclass(frozen=True)
class EvaluationOutcome:
    """The scores of a model, and the files that they were written to."""

    model_path: Path
    labels: tuple[str, ...]
    record: EvaluationRecord
    """The manifest's."""
    paths: tuple[Path, ...]
    """The files written."""

    def summary(self) -> str:
        """Describe the main figures, for the terminal."""
        written = "written: " + ", ".join(map(str, self.paths))
        return f"{self.model_path}: {render_summary(self.record, self.labels)}\n\n{written}"


def evaluate_model(
    settings: Settings,
    *,
    cost: MeasureCost = measure_cost,
    drawn: int = DRAWN_IMAGES,
    queries: int = QUERIES,
    show: Show = show_nothing,
) -> EvaluationOutcome:
    """Evaluate the settings' model on the test set, on the settings' engine.

    A model that has a record of its training but no calibration is first calibrated on its validation images. The
    results go into the model's manifest, which is created if there is none; figures and card are written beside it.

    Args:
        settings: the model, the engine, the data, and the file of MNIST's digits.
        cost: measures the cost of a prediction.
        drawn: how many images to draw of each synthetic out-of-distribution kind.
        queries: how many images to classify in the search for nonsense of one class.
        show: shows each stage.

    Raises:
        ModelError: the model cannot be served.
        DataError: the data set or the file of digits is missing, broken, or does not fit the model.
        TrainingError: a file cannot be written, the training log is broken, or the training set is not the model's.
    """
    stages = Stages(STAGES, show)
    stages.begin("model and data")
    history = read_history(log_path(settings.model_path))
    file = read_model_file(settings)
    with file.named_in_errors():
        network = load_keras_model(file.content)
        classifier = KerasClassifier(network, file.declared)
        labels, spec = file.name_classes(classifier.signature), classifier.signature.input
    digits = load_digits(settings.digits_file, spec.shape)
    source = find_data_set(settings, labels=labels, shape=spec.shape)
    test, data = source.load("test"), _find_training_data(file, source)
    file = _calibrate_if_needed(file, classifier, data)
    model = load_model_file(file, settings, network=network)
    if find_thresholds(model) is not None:
        for name in find_not_measured(model, digits):
            logger.warning("FASHION_DIGITS_FILE is not set: the report on novelty leaves out %s", name)

    stages.begin("accuracy")
    answers = classify_all(model.classifier, test.images)
    measured: dict[str, object] = {
        **_measure_calibration(model, answers, test),
        **_measure_robustness(model, test, stages),
        "nonsense": measure_nonsense(
            model, queries=queries, begin_part=stages.begin("search for nonsense", parts=len(SEEDS))
        ),
    }
    stages.begin("cost")
    measured["cost"] = cost(file, network, settings.cache_dir)
    if data is not None:
        extractor = FeatureExtractor(network, spec) if has_features(network) else None
        begin_part = stages.begin("novelty", parts=_NOVELTY_PARTS)
        measured["novelty"] = measure_novelty(
            model, extractor, data, test, digits=digits, drawn=drawn, begin_part=begin_part
        )
    stages.begin("figures and card")
    record = measure_accuracy(answers, test, model.labels).model_copy(update=measured)
    paths = _write(file, model, record, test, answers, history=history)
    stages.end()
    return EvaluationOutcome(file.path, model.labels, record, paths)


def _find_training_data(file: ModelFile, source: DataSource) -> TrainingData | None:
    """Load the images that the model was trained and validated on; `None` if they are unknown or not available."""
    try:
        return load_training_data(file.manifest, source)
    except DataNotFoundError as error:
        missing = "calibration and novelty are" if file.calibration is None else "novelty is"
        logger.warning("%s left out: %s", missing, error)
        return None


def _calibrate_if_needed(file: ModelFile, classifier: KerasClassifier, data: TrainingData | None) -> ModelFile:
    """Calibrate a model that has no calibration, if its validation images are available."""
    if file.manifest is None or file.calibration is not None or data is None:
        return file
    logger.info("calibration, on the validation images")
    with file.named_in_errors():
        self_test(classifier, classifier.signature)
    calibration = calibrate_classifier(classifier, data)
    return replace(file, manifest=file.manifest.model_copy(update={"calibration": calibration}))


def _measure_calibration(model: LoadedModel, answers: Predictions, test: Split) -> dict[str, object]:
    """Measure calibration and prediction sets; nothing for a model without a calibration."""
    if model.calibration is None:
        return {}
    probabilities, sets = answers.probabilities, model.calibration.prediction_sets
    return {
        "calibration": measure_calibration(
            probabilities, test.labels, temperature=model.calibration.temperature, names=model.labels
        ),
        "prediction_sets": measure_prediction_sets(probabilities, test.labels, sets=sets, names=model.labels),
    }


def _measure_robustness(model: LoadedModel, test: Split, stages: Stages) -> dict[str, object]:
    """Measure the accuracy on mirrored images, and accuracy and acceptance on corrupted ones and poor pictures."""
    begin_part = stages.begin("altered images", parts=1 + len(CORRUPTIONS))
    begin_part("mirrored")
    measured: dict[str, object] = {
        "mirrored_accuracy": measure_mirrored(model, test),
        "corruptions": measure_corruptions(model, test, begin_part=begin_part),
    }
    begin_part = stages.begin("poor pictures", parts=len(MET) + len(UNMET))
    measured["poor_pictures"] = measure_poor_pictures(model, test, begin_part=begin_part)
    return measured


def _write(  # noqa: PLR0913  # what is written is of all of these
    file: ModelFile,
    model: LoadedModel,
    record: EvaluationRecord,
    test: Split,
    answers: Predictions,
    *,
    history: Sequence[Epoch],
) -> tuple[Path, ...]:
    """Write the model's manifest, figures and card, and give their paths."""
    known = file.manifest or Manifest(name=file.name, sha256=file.sha256, labels=model.labels, input=model.input)
    manifest = known.model_copy(update={"evaluation": record})
    try:
        write_manifest(file.path, manifest)
        figures = write_figures(file.path, manifest, test, answers, history=history)
        return (manifest_path(file.path), *figures, *write_card(file.path))
    except OSError as error:
        raise TrainingError(f"{error.filename or file.path.parent} cannot be written: {error.strerror}") from error
