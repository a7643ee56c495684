import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.inference.calibration import Calibration, NoveltyThresholds, PredictionSets
from fashion_api.inference.evaluation_record import NoveltyScore, NoveltySetScore
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.evaluate.novelty import choose_detector, measure_novelty
from fashion_api.training.synthetic.out_of_distribution import DIGITS, TURNED
from tests.training.evaluate.dark_images import DATA, BrightClassifier
from tests.training.samples import LABELS, TRAINING_RECORD


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [((0.0, 0.5), (0.2, 0.2), "second"), ((0.1, 0.1), (0.2, 0.2), "first"), ((0.003, 0.001), (0.001, 0.001), "first")],
    ids=["fewer mistakes", "fewer mistakes and cheaper", "cheaper of equals"],
)
def test_method_with_the_fewest_mistakes_is_chosen(
    first: tuple[float, float], second: tuple[float, float], chosen: str
) -> None:
    """The method with the lowest mean share accepted is chosen; of methods equal up to chance, the cheapest."""
    choosing = {
        name: NoveltySetScore(
            images=500,
            methods={
                "first": NoveltyScore(auroc=0.5, fpr_95=mistakes),
                "second": NoveltyScore(auroc=0.5, fpr_95=others),
            },
        )
        for name, mistakes, others in zip("xy", first, second, strict=True)
    }

    assert choose_detector(choosing) == chosen


@pytest.mark.parametrize("labels", [FASHION_MNIST_LABELS, LABELS], ids=["Fashion-MNIST", "another"])
def test_report_is_of_kinds_that_suit_the_data(labels: tuple[str, ...]) -> None:
    """Fashion-MNIST's names digits as not measured, and has articles turned; of other data those may be of a class."""
    model = LoadedModel("bright", "0", labels, InputSpec(height=4, width=4), "fake", None, BrightClassifier())
    test = Split(DATA.images, DATA.labels, "0" * 64)
    report = measure_novelty(model, None, DATA, test, digits=None, drawn=5)
    is_fashion_mnist = labels == FASHION_MNIST_LABELS
    assert report.not_measured == ((DIGITS,) if is_fashion_mnist else ())
    assert report.report.keys() & TURNED == (TURNED if is_fashion_mnist else set())


def test_report_without_thresholds_has_no_shares_refused() -> None:
    """Without thresholds, the report has no shares refused; without a recipe, it does not know what was trained for."""
    model = LoadedModel("bright", "0", LABELS, InputSpec(height=4, width=4), "fake", None, BrightClassifier())
    test = Split(DATA.images, DATA.labels, "0" * 64)
    report = measure_novelty(model, None, DATA, test, digits=None, drawn=5)
    assert DIGITS not in report.report
    assert report.articles is None
    assert {kind.refused for kind in report.report.values()} == {None}
    assert {kind.is_trained_for for kind in report.report.values()} == {None}


@pytest.mark.parametrize(
    ("changes", "accepted", "accepted_98"),
    [({}, 0.5, 1.0), ({"class_thresholds": (60.0, 1.0)}, 1.0, None)],
    ids=["one threshold", "of each class"],
)
def test_accepted_articles_are_counted_by_the_served_thresholds(
    changes: dict[str, object], accepted: float, accepted_98: float | None
) -> None:
    """The share accepted is by the threshold of the predicted class, or by the common one."""
    grey = np.sort(DATA.images.mean(axis=(1, 2)))
    novelty = NoveltyThresholds(threshold=float(grey[14:16].mean()), threshold_98=60.0).model_copy(update=changes)
    sets = PredictionSets(method="adaptive", thresholds={"0.9": 0.9, "0.95": 0.95, "0.99": 0.99})
    calibration = Calibration(images=10, temperature=1.0, prediction_sets=sets, novelty=novelty)
    spec = InputSpec(height=4, width=4)
    training = TRAINING_RECORD.model_copy(update={"recipe": "compact"})
    manifest = Manifest(
        name="bright", sha256="0" * 64, labels=LABELS, input=spec, calibration=calibration, training=training
    )
    model = LoadedModel("bright", "0", LABELS, spec, "fake", manifest, BrightClassifier())

    report = measure_novelty(model, None, DATA, Split(DATA.images, DATA.labels, "0" * 64), digits=None, drawn=5)

    assert report.articles is not None
    assert (report.articles.accepted, report.articles.accepted_98) == (accepted, accepted_98)
    assert report.report["inverted"].refused == 1
    assert report.report["inverted"].is_trained_for is True
    assert report.report["blends of two"].is_trained_for is False
