"""What the service needs to mean what it says, fitted on the validation images: `fashion_api.inference.calibration`."""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import DataSource
from fashion_api.errors import TrainingError
from fashion_api.inference.calibration import COVERAGES, Calibration, NoveltyThresholds, PredictionSets
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.manifest import write_manifest
from fashion_api.settings import Settings
from fashion_api.training.evaluate.classification import classify_all
from fashion_api.training.evaluate.metrics import LEAST_PROBABILITY, Floats, Labels, compute_nll
from fashion_api.training.fit.validation import TrainingData, find_held_back

Method = Literal["least-ambiguous", "adaptive"]
METHODS: tuple[Method, ...] = ("least-ambiguous", "adaptive")

_CHOOSING_COVERAGE = 0.99  # where the sets of the two methods differ most
_TEMPERATURES = (0.05, 20.0)
_TOLERANCE = 1e-5  # of the logarithm of the temperature
_GOLDEN = (math.sqrt(5) - 1) / 2
_LEAST_NOVELTY = float(np.finfo(np.float32).tiny)  # a threshold has to be above 0
_SEED = 0


def calibrate_model(settings: Settings) -> Calibration:
    """Fit the calibration of the settings' model on its validation images, and write it into its manifest.

    Raises:
        ModelError: the model cannot be served.
        DataError: the training set is missing or broken.
        TrainingError: the manifest does not say which images were held back, or cannot be written.
    """
    model = load_model(settings)
    data = load_training_data(model, settings)
    if model.manifest is None or data is None:
        raise TrainingError(f"{settings.model_path} cannot be calibrated: no manifest says which images were held back")
    calibration = calibrate_classifier(model.classifier, data, temperature=find_temperature(model))
    try:
        write_manifest(settings.model_path, model.manifest.model_copy(update={"calibration": calibration}))
    except OSError as error:
        raise TrainingError(f"{error.filename} cannot be written: {error.strerror}") from error
    return calibration


def load_training_data(model: LoadedModel, settings: Settings) -> TrainingData | None:
    """Load the images that a model was trained and validated on; `None` where its manifest does not say which.

    Raises:
        DataError: the training set is missing or broken.
        TrainingError: it is not the one that the model was trained on.
    """
    if model.manifest is None or model.manifest.training is None:
        return None
    shape = (model.input.height, model.input.width)
    split = DataSource.from_settings(settings, labels=model.labels, shape=shape).load("train")
    return find_held_back(split, model.manifest.training)


def find_temperature(model: LoadedModel) -> float:
    """Tell the temperature that a loaded model's probabilities have been through."""
    return 1.0 if model.calibration is None else model.calibration.temperature


def calibrate_classifier(classifier: Classifier, data: TrainingData, *, temperature: float = 1.0) -> Calibration:
    """Fit the calibration of a classifier, whose answers have been through `temperature`, on the validation images."""
    answers = classify_all(classifier, data.validation_images, description="calibrating")
    probabilities = apply_temperature(answers.probabilities, 1 / temperature)
    return calibrate(probabilities, data.validation_labels, novelty=answers.novelty)


def calibrate(raw: Floats, labels: Labels, *, novelty: Floats | None) -> Calibration:
    """Fit the temperature, then the prediction sets for the probabilities with it, then the thresholds for novelty.

    One temperature for some thousand images leaves the conformal guarantee practically as it is, though strictly that
    asks for images which nothing else was fitted on; evaluation measures the coverage.

    Args:
        raw: [n, classes], the validation images' probabilities as the network gives them.
        labels: [n], what they show.
        novelty: [n], or `None` for a model that tells none.

    Raises:
        TrainingError: some probabilities are no numbers.
    """
    if not np.isfinite(raw).all():
        raise TrainingError("the model's answers to the validation images are no numbers: it cannot be calibrated")
    temperature = round(fit_temperature(raw, labels), 4)
    probabilities = apply_temperature(raw, temperature)
    return Calibration(
        images=len(labels),
        temperature=temperature,
        prediction_sets=fit_prediction_sets(probabilities, labels, choose_method(probabilities, labels)),
        novelty=None if novelty is None else fit_novelty(novelty),
    )


def apply_temperature(probabilities: Floats, temperature: float) -> npt.NDArray[np.float64]:
    """Give float64[n, classes] as if the logits had been divided by `temperature`: softmax(log(p) / T).

    1 / T undoes T, but for probabilities too small for float32.
    """
    logits = np.log(np.maximum(probabilities.astype(np.float64), LEAST_PROBABILITY)) / temperature
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    softened: npt.NDArray[np.float64] = exponentials / exponentials.sum(axis=1, keepdims=True)
    return softened


def fit_temperature(probabilities: Floats, labels: Labels) -> float:
    """Find the temperature with the lowest negative log-likelihood (C. Guo et al., arXiv:1706.04599), from 0.05 to 20.

    The loss is convex in 1 / T, so that it has one valley in log T, in which golden-section search (J. Kiefer, Proc.
    Am. Math. Soc. 4, 1953, 502–506) finds the bottom.
    """

    def loss(log_temperature: float) -> float:
        return float(compute_nll(apply_temperature(probabilities, math.exp(log_temperature)), labels).mean())

    low, high = map(math.log, _TEMPERATURES)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > _TOLERANCE:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def choose_method(probabilities: Floats, labels: Labels) -> Method:
    """Choose the method whose sets for 99 % are smaller, fitted on half of the images and measured on the other.

    Both ways about, so that each image is measured once; of equals, the simpler method.
    """
    order = np.random.default_rng(_SEED).permutation(len(labels))
    halves = (order[::2], order[1::2])

    def measure(method: Method) -> int:
        return sum(
            count_members(fit_prediction_sets(probabilities[fit], labels[fit], method), probabilities[measured])
            for fit, measured in (halves, halves[::-1])
        )

    return min(METHODS, key=measure)


def count_members(sets: PredictionSets, probabilities: Floats) -> int:
    """Count the classes in the sets for 99 % of all images of [n, classes]."""
    return sum(len(sets.find_classes(row, _CHOOSING_COVERAGE)) for row in probabilities.tolist())


def fit_prediction_sets(probabilities: Floats, labels: Labels, method: Method) -> PredictionSets:
    """Find the method's threshold for each coverage by split conformal prediction.

    Of n images, the right class of the k = ⌈(n + 1) · coverage⌉ that are the easiest is in the sets (V. Vovk,
    A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005; A. Angelopoulos, S. Bates, arXiv:2107.07511);
    where k is more than n, all classes are.

    Args:
        probabilities: [n, classes], as they are served.
        labels: [n], the right class of each.
        method: how a set is told from the probabilities.
    """
    count = len(labels)
    if method == "least-ambiguous":
        ordered = np.sort(probabilities[np.arange(count), labels])[::-1]
        beyond = 0.0
    else:
        ordered = np.sort(_sum_down_to(probabilities, labels))
        beyond = 1.0
    ranks = {f"{coverage:g}": math.ceil(round((count + 1) * coverage, 9)) for coverage in COVERAGES}
    thresholds = {
        coverage: beyond if rank > count else min(float(ordered[rank - 1]), 1.0) for coverage, rank in ranks.items()
    }
    return PredictionSets(method=method, thresholds=thresholds)


def _sum_down_to(probabilities: Floats, labels: Labels) -> npt.NDArray[np.float64]:
    """Add up the probabilities from the most probable class down to the right one."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1, dtype=np.float64)
    sum_: npt.NDArray[np.float64] = sums[order == labels[:, None]]
    return sum_


def fit_novelty(novelty: Floats) -> NoveltyThresholds:
    """Find the least novelties that 95 % and 98 % of [n] articles do not exceed."""
    threshold, threshold_98 = (
        max(float(value), _LEAST_NOVELTY) for value in np.quantile(novelty, (0.95, 0.98), method="inverted_cdf")
    )
    return NoveltyThresholds(threshold=threshold, threshold_98=threshold_98)
