"""The evaluation of novelty detectors: the best is chosen on validation images, and all are reported on test images."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import Split
from fashion_api.images import Images
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.evaluation_record import (
    OWN_OUTPUT,
    AcceptedScore,
    NoveltyReport,
    NoveltyScore,
    NoveltySetScore,
)
from fashion_api.inference.loading import LoadedModel
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.arrays import Labels
from fashion_api.training.evaluate.acceptance import find_thresholds
from fashion_api.training.evaluate.detectors import Detectors, Extractor, Scores
from fashion_api.training.evaluate.stages import BeginPart, begin_nothing
from fashion_api.training.metrics.intervals import compute_wilson_interval
from fashion_api.training.metrics.roc import compute_auroc, compute_fpr
from fashion_api.training.recipes import find_recipe
from fashion_api.training.synthetic.out_of_distribution import (
    DIGITS,
    DRAWN_IMAGES,
    MET,
    make_out_of_distribution,
)
from fashion_api.training.synthetic.outliers import CHOOSING_FAMILIES, draw_outliers
from fashion_api.training.validation import TrainingData

_REFERENCE_IMAGES = 10_000  # training images that the detectors are fitted on: more change little, and take longer
_SEED = 0


@dataclass(frozen=True)
class Judge:
    """Scores images by every detector, and compares the scores with those of articles."""

    detectors: Detectors
    thresholds: NoveltyThresholds | None
    """`None` for a model without a novelty output."""
    is_trained: bool | None = None
    """Whether the model was trained with outliers; `None` if that is unknown."""
    begin_part: BeginPart = begin_nothing

    def compare(self, articles: Scores, kinds: Mapping[str, Images]) -> dict[str, NoveltySetScore]:
        """Compare each kind of out-of-distribution images with the scores of articles."""
        return {name: self._compare_kind(articles, images, name) for name, images in kinds.items()}

    def _compare_kind(self, articles: Scores, images: Images, name: str) -> NoveltySetScore:
        self.begin_part(name)
        scores = self.detectors.score(images)
        limit_98 = self._find_limit_98()
        return NoveltySetScore(
            images=len(images),
            methods={
                method: NoveltyScore(
                    auroc=compute_auroc(articles[method], values), fpr_95=compute_fpr(articles[method], values)
                )
                for method, values in scores.items()
            },
            refused=None if self.thresholds is None else _share(scores[OWN_OUTPUT] > 1),
            refused_98=None if limit_98 is None else _share(scores[OWN_OUTPUT] > limit_98),
            is_trained_for=None if self.is_trained is None else self.is_trained and name in MET,
        )

    def _find_limit_98(self) -> float | None:
        """Give the scaled novelty that 98 % of all images do not exceed, if one threshold applies to all classes."""
        if self.thresholds is None or self.thresholds.class_thresholds is not None:
            return None
        return self.thresholds.threshold_98 / self.thresholds.threshold

    def count_accepted(self, articles: Scores, labels: Labels, names: tuple[str, ...]) -> AcceptedScore | None:
        """Compute the shares of articles that the thresholds accept; `None` without thresholds."""
        if self.thresholds is None:
            return None
        is_accepted, limit_98 = articles[OWN_OUTPUT] <= 1, self._find_limit_98()
        return AcceptedScore(
            accepted=_share(is_accepted),
            accepted_98=None if limit_98 is None else _share(articles[OWN_OUTPUT] <= limit_98),
            classes={
                name: _share(is_accepted[labels == class_id])
                for class_id, name in enumerate(names)
                if (labels == class_id).any()
            },
        )


def measure_novelty(  # noqa: PLR0913  # the model, the data and the images to compare with
    model: LoadedModel,
    extractor: Extractor | None,
    data: TrainingData,
    test: Split,
    *,
    digits: Images | None,
    drawn: int = DRAWN_IMAGES,
    begin_part: BeginPart = begin_nothing,
) -> NoveltyReport:
    """Choose a detector on the validation images, and report all of them on the test images.

    Args:
        model: as served.
        extractor: of the same model's features; `None` if it has none.
        data: the images that the model was trained and validated on.
        test: the test images.
        digits: uint8[n, height, width], MNIST's; `None` if they are not available.
        drawn: how many images to draw of each synthetic kind.
        begin_part: is told the name of each kind.
    """
    begin_part("the images of the classes")
    is_fashion_mnist = model.labels == FASHION_MNIST_LABELS
    chosen = np.random.default_rng(_SEED).permutation(len(data.images))[:_REFERENCE_IMAGES]
    thresholds = find_thresholds(model)
    detectors = Detectors(model.classifier, extractor, data.images[chosen], data.labels[chosen], thresholds=thresholds)
    recipe = find_recipe(model.manifest)
    is_trained = None if recipe is None else recipe.outlier_share > 0
    judge = Judge(detectors, thresholds, is_trained, begin_part)
    validation_scores = detectors.score(data.validation_images)
    choosing = judge.compare(validation_scores, _draw_choosing(data.validation_images, drawn))
    articles = detectors.score(test.images)
    return NoveltyReport(
        best_method=choose_detector(choosing),
        choosing=choosing,
        report=judge.compare(
            articles,
            make_out_of_distribution(
                test.images, test.labels, digits=digits, drawn=drawn, with_turned=is_fashion_mnist
            ),
        ),
        not_measured=find_not_measured(model, digits),
        articles=judge.count_accepted(articles, test.labels, model.labels),
    )


def find_not_measured(model: LoadedModel, digits: Images | None) -> tuple[str, ...]:
    """Name the kinds that the report leaves out: Fashion-MNIST's has digits, where they are at hand."""
    return (DIGITS,) if digits is None and model.labels == FASHION_MNIST_LABELS else ()


def choose_detector(choosing: Mapping[str, NoveltySetScore]) -> str:
    """Name the method that accepts the smallest share of the images at the threshold that accepts 95 % of articles.

    Methods whose mean share is within the 95 % Wilson interval of the least are equal up to chance; of these, the
    cheapest in serving, which is the first, is chosen.
    """
    shares = {
        method: sum(kind.methods[method].fpr_95 for kind in choosing.values()) / len(choosing)
        for method in next(iter(choosing.values())).methods
    }
    images, least = sum(kind.images for kind in choosing.values()), min(shares.values())
    _, limit = compute_wilson_interval(round(least * images), images)
    return next(method for method, share in shares.items() if share <= limit)


def _draw_choosing(articles: Images, drawn: int) -> dict[str, Images]:
    rng = np.random.default_rng(_SEED)
    return {name: draw_outliers(draw, drawn, articles=articles, rng=rng) for name, draw in CHOOSING_FAMILIES.items()}


def _share(is_true: npt.NDArray[np.bool_]) -> float:
    return float(is_true.mean())
