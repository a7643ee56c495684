"""Which way of saying no is the best, chosen on validation images, and how well it does, reported on test images."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import Split
from fashion_api.images import Images
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.evaluation_record import AcceptedScore, NoveltyReport, NoveltyScore, NoveltySetScore
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.evaluate.classes import compute_wilson_interval
from fashion_api.training.evaluate.metrics import Labels, compute_auroc, compute_fpr
from fashion_api.training.evaluate.novelty import OWN, FeatureExtractor, NoveltyMethods, Scores
from fashion_api.training.evaluate.out_of_distribution import DIGITS, DRAWN_IMAGES, make_strangers
from fashion_api.training.fit.outliers import CHOOSING_FAMILIES, draw_outliers
from fashion_api.training.fit.validation import TrainingData

logger = logging.getLogger(__name__)

_REFERENCE_IMAGES = 10_000  # training images that the methods learn from: more change little, and take longer
_SEED = 0


@dataclass(frozen=True)
class Judge:
    """Scores images by every method, and sums up what comes of it."""

    methods: NoveltyMethods
    thresholds: NoveltyThresholds | None
    """`None` for a model without a novelty output."""

    def compare(self, articles: Scores, strangers: Mapping[str, Images]) -> dict[str, NoveltySetScore]:
        """Hold each kind of strangers against the scores of articles."""
        return {name: self._compare_one(articles, images, name) for name, images in strangers.items()}

    def _compare_one(self, articles: Scores, images: Images, name: str) -> NoveltySetScore:
        logger.info("novelty: %s", name)
        scores = self.methods.score(images, description=name)
        return NoveltySetScore(
            images=len(images),
            methods={
                method: NoveltyScore(
                    auroc=compute_auroc(articles[method], values), fpr_95=compute_fpr(articles[method], values)
                )
                for method, values in scores.items()
            },
            refused=None if self.thresholds is None else _tell_share(scores[OWN] > self.thresholds.threshold),
            refused_98=None if self.thresholds is None else _tell_share(scores[OWN] > self.thresholds.threshold_98),
        )

    def count_accepted(self, articles: Scores, labels: Labels, names: tuple[str, ...]) -> AcceptedScore | None:
        """Tell how many articles the thresholds let through; `None` without thresholds."""
        if self.thresholds is None:
            return None
        is_accepted = articles[OWN] <= self.thresholds.threshold
        return AcceptedScore(
            accepted=_tell_share(is_accepted),
            accepted_98=_tell_share(articles[OWN] <= self.thresholds.threshold_98),
            classes={
                name: _tell_share(is_accepted[labels == class_id])
                for class_id, name in enumerate(names)
                if (labels == class_id).any()
            },
        )


def report_novelty(  # noqa: PLR0913  # the model, the data and what there is to compare with
    model: LoadedModel,
    extractor: FeatureExtractor | None,
    data: TrainingData,
    test: Split,
    *,
    digits: Images | None,
    drawn: int = DRAWN_IMAGES,
) -> NoveltyReport:
    """Choose a method on the validation images, and report all of them on the test images.

    Args:
        model: as it is served.
        extractor: of the same model's features; `None` where it has none to give.
        data: what the model was trained and validated on.
        test: the test images.
        digits: uint8[n, height, width], MNIST's; `None` where they are not at hand.
        drawn: how many to make of each kind that is made up.
    """
    chosen = np.random.default_rng(_SEED).permutation(len(data.images))[:_REFERENCE_IMAGES]
    methods = NoveltyMethods(model.classifier, extractor, data.images[chosen], data.labels[chosen])
    judge = Judge(methods, None if model.calibration is None else model.calibration.novelty)
    validation_scores = methods.score(data.validation_images, description="validation images")
    choosing = judge.compare(validation_scores, _draw_choosing(data.validation_images, drawn))
    articles = methods.score(test.images, description="test images")
    return NoveltyReport(
        best_method=choose_method(choosing),
        choosing=choosing,
        report=judge.compare(articles, make_strangers(test.images, test.labels, digits=digits, drawn=drawn)),
        not_measured=() if digits is not None else (DIGITS,),
        articles=judge.count_accepted(articles, test.labels, model.labels),
    )


def choose_method(choosing: Mapping[str, NoveltySetScore]) -> str:
    """Name the method that takes the fewest images for articles where 95 % of the articles are accepted.

    Of those that chance could have put first, whose mean share lies within the 95 % Wilson interval of the least, the
    one that costs the service the least: the methods stand in that order.
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
    return {
        name: draw_outliers((family,), drawn, articles=articles, rng=rng) for name, family in CHOOSING_FAMILIES.items()
    }


def _tell_share(is_true: npt.NDArray[np.bool_]) -> float:
    return float(is_true.mean())
