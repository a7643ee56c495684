"""Compares two models on the test set, as the service would answer it: is one to replace the other?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import Split
from fashion_api.errors import OtherModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel, find_differences
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.acceptance import compute_accepted, find_thresholds, scale_novelty
from fashion_api.training.evaluate.stages import Show, Stages, show_nothing
from fashion_api.training.evaluate.timing import time_in_turns
from fashion_api.training.metrics.calibration_error import compute_brier, compute_ece, compute_nll
from fashion_api.training.synthetic.out_of_distribution import make_out_of_distribution

STAGES: Mapping[str, float] = MappingProxyType({"test images": 2, "cost": 1, "novelty": 30})
"""The stages, with the seconds that each took for two models of the recipe `compact` on two cores."""
_ARTICLES = 1000
"""The first test images, of which images that show no article are made; as many are drawn of each synthetic kind."""


@dataclass(frozen=True)
class ModelScores:
    """What was measured of one model."""

    name: str
    version: str
    correct: int
    """Test images that are classified correctly."""
    accuracy: float
    expected_calibration_error: float
    negative_log_likelihood: float
    """In nats."""
    brier: float
    accepted: float | None
    """The share of the test images that the service accepts; `None` without a novelty output, as the next."""
    refused: float | None
    """The share that it refuses of images that show no article, the mean over their kinds."""
    image_s: float
    """Seconds for one image, alone."""


@dataclass(frozen=True)
class Differences:
    """The test images of one class, or of all, on which the two models differ."""

    images: int
    """How many there are."""
    differing: int
    """How many are of another class to the one than to the other."""
    corrected: int
    """How many of these only the new one gets right."""
    spoilt: int
    """How many of these only the old one gets right."""


@dataclass(frozen=True)
class Comparison:
    """Two models, side by side."""

    old: ModelScores
    new: ModelScores
    all: Differences
    classes: Mapping[str, Differences]
    """By label."""

    @property
    def loss(self) -> float:
        """By how much the new model's accuracy is lower; negative where it is higher."""
        return (self.old.correct - self.new.correct) / self.all.images


def compare_models(
    old: LoadedModel, new: LoadedModel, test: Split, *, digits: Images | None = None, show: Show = show_nothing
) -> Comparison:
    """Compare two models.

    Args:
        old: the one that serves.
        new: the one that is to replace it.
        test: the test images.
        digits: uint8[n, height, width], MNIST's, as images that show no article; `None` if they are not available.
        show: shows each stage.

    Raises:
        OtherModelError: they have other labels, or take images of another size.
    """
    if differences := find_differences(new, old):
        raise OtherModelError(f"the two cannot be compared: of the new one, {'; '.join(differences)}")
    stages = Stages(STAGES, show)
    stages.begin("test images")
    old_answers, new_answers = (classify_all(model.classifier, test.images) for model in (old, new))
    stages.begin("cost")
    old_s, new_s = time_in_turns([old.classifier, new.classifier], old.input)
    old_refused, new_refused = _measure_refused((old, new), test, digits=digits, stages=stages)
    stages.end()
    return Comparison(
        old=_score(old, old_answers, test, refused=old_refused, image_s=old_s),
        new=_score(new, new_answers, test, refused=new_refused, image_s=new_s),
        all=_count_differences(old_answers, new_answers, test, np.full(len(test), fill_value=True)),
        classes={
            label: _count_differences(old_answers, new_answers, test, test.labels == class_id)
            for class_id, label in enumerate(old.labels)
        },
    )


def _score(
    model: LoadedModel, answers: Predictions, test: Split, *, refused: float | None, image_s: float
) -> ModelScores:
    probabilities, is_correct = answers.probabilities, answers.class_ids == test.labels
    return ModelScores(
        name=model.name,
        version=model.version,
        correct=int(is_correct.sum()),
        accuracy=float(is_correct.mean()),
        expected_calibration_error=compute_ece(probabilities.max(axis=1), is_correct),
        negative_log_likelihood=float(compute_nll(probabilities, test.labels).mean()),
        brier=float(compute_brier(probabilities, test.labels).mean()),
        accepted=compute_accepted(answers, find_thresholds(model)),
        refused=refused,
        image_s=image_s,
    )


def _measure_refused(
    models: Sequence[LoadedModel], test: Split, *, digits: Images | None, stages: Stages
) -> list[float | None]:
    """Give the mean share of images without an article that each model refuses; `None` where it scores no novelty."""
    thresholds = [find_thresholds(model) for model in models]
    if not any(thresholds):
        return [None for _ in models]
    stages.begin("novelty")
    articles, labels = test.images[:_ARTICLES], test.labels[:_ARTICLES]
    is_fashion_mnist = models[0].labels == FASHION_MNIST_LABELS
    kinds = make_out_of_distribution(articles, labels, digits=digits, drawn=_ARTICLES, with_turned=is_fashion_mnist)
    begin_part = stages.begin("novelty", parts=len(kinds))
    accepted: list[list[float]] = [[] for _ in models]
    for name, images in kinds.items():
        begin_part(name)
        for model, threshold, shares in zip(models, thresholds, accepted, strict=True):
            if threshold is not None:
                is_accepted = scale_novelty(classify_all(model.classifier, images), threshold) <= 1
                shares.append(float(is_accepted.mean()))
    return [1 - float(np.mean(shares)) if shares else None for shares in accepted]


def _count_differences(
    old: Predictions, new: Predictions, test: Split, is_chosen: npt.NDArray[np.bool_]
) -> Differences:
    differs = is_chosen & (old.class_ids != new.class_ids)
    return Differences(
        images=int(is_chosen.sum()),
        differing=int(differs.sum()),
        corrected=int((differs & (new.class_ids == test.labels)).sum()),
        spoilt=int((differs & (old.class_ids == test.labels)).sum()),
    )
