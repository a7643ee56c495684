"""The calibration of a model on its validation images."""

import numpy as np

from fashion_api.errors import TrainingError
from fashion_api.inference.calibration import Calibration, PredictionSets
from fashion_api.inference.classifier import Classifier
from fashion_api.training.arrays import Floats, Labels
from fashion_api.training.calibrate.class_sets import fit_class_sets
from fashion_api.training.calibrate.conformal import choose_method, fit_prediction_sets
from fashion_api.training.calibrate.novelty import fit_novelty
from fashion_api.training.calibrate.temperature import apply_temperature, fit_temperature
from fashion_api.training.classification import classify_all
from fashion_api.training.validation import TrainingData


def calibrate_classifier(classifier: Classifier, data: TrainingData) -> Calibration:
    """Fit the calibration of a classifier that applies no temperature, on the validation images."""
    answers = classify_all(classifier, data.validation_images)
    return fit_calibration(answers.probabilities, data.validation_labels, novelty=answers.novelty)


def fit_calibration(raw: Floats, labels: Labels, *, novelty: Floats | None) -> Calibration:
    """Fit the temperature, then the prediction sets of the probabilities with it, then the novelty thresholds.

    Strictly, the conformal guarantee requires images that nothing else was fitted on. One temperature, fitted on
    thousands of images, hardly affects it; evaluation measures the coverage.

    Args:
        raw: [n, classes], the network's probabilities for the validation images.
        labels: [n], their classes.
        novelty: [n], their novelty; `None` for a model without a novelty output.

    Raises:
        TrainingError: some probabilities are not finite.
    """
    if not np.isfinite(raw).all():
        raise TrainingError(
            "the model cannot be calibrated: its probabilities for the validation images are not finite"
        )
    temperature = round(fit_temperature(raw, labels), 4)
    probabilities = apply_temperature(raw, temperature)
    return Calibration(
        images=len(labels),
        temperature=temperature,
        prediction_sets=_fit_sets(probabilities, labels),
        novelty=None if novelty is None else fit_novelty(novelty, raw.argmax(axis=1), classes=raw.shape[1]),
    )


def _fit_sets(probabilities: Floats, labels: Labels) -> PredictionSets:
    """Fit the sets of the better method; the least ambiguous also class by class."""
    sets = fit_prediction_sets(probabilities, labels, choose_method(probabilities, labels))
    if sets.method == "adaptive":
        return sets
    return sets.model_copy(update={"class_thresholds": fit_class_sets(probabilities, labels)})
