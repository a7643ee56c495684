"""The sections of a card on novelty, robustness, calibration and prediction sets."""

from pathlib import Path

import pytest

from fashion_api.inference.calibration import Calibration, NoveltyThresholds, PredictionSets
from fashion_api.inference.evaluation_record import (
    AcceptedScore,
    CalibrationReport,
    CalibrationScore,
    ClassReliability,
    ClassScore,
    CorruptionScore,
    Estimate,
    EvaluationRecord,
    NonsenseScore,
    NoveltyReport,
    NoveltyScore,
    NoveltySetScore,
    PoorPictureScore,
    PredictionSetScore,
)
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.report.card_sections import render_accuracy, render_calibration, render_prediction_sets
from fashion_api.training.report.novelty_section import render_novelty
from fashion_api.training.report.robustness_section import render_robustness
from tests.training.samples import TRAINING_RECORD

LABELS = ("Shirt", "Bag")
KEYS = ("0.9", "0.95", "0.99")
ESTIMATE = Estimate(value=0.1, low=0.0, high=0.2)
SCORE = CalibrationScore(expected_calibration_error=ESTIMATE, negative_log_likelihood=ESTIMATE, brier=ESTIMATE)


def compare(own: float, other: float, **changes: object) -> NoveltySetScore:
    methods = {name: NoveltyScore(auroc=0.9, fpr_95=fpr) for name, fpr in (("own output", own), ("ViM", other))}
    return NoveltySetScore(images=100, methods=methods, refused=0.98).model_copy(update=changes)


RECORD = EvaluationRecord(
    data_sha256="0" * 64,
    images=4,
    correct=3,
    accuracy=0.75,
    accuracy_interval=(0.3, 0.95),
    classes={label: ClassScore(precision=0.5, recall=0.5, images=2) for label in LABELS},
    confusion_matrix=((1, 1), (0, 2)),
    calibration=CalibrationReport(
        before=SCORE,
        after=SCORE,
        classes={
            "Shirt": ClassReliability(images=3, confidence=0.873, accuracy=0.832),
            "Bag": ClassReliability(images=0, confidence=None, accuracy=None),
        },
    ),
    prediction_sets={
        key: PredictionSetScore(
            coverage=0.96,
            coverage_interval=(0.95, 0.97),
            class_coverage=dict.fromkeys(LABELS, 0.96),
            mean_size=1.1,
            sizes=(3, 1),
        )
        for key in KEYS
    },
    novelty=NoveltyReport(
        best_method="ViM",
        choosing={"stripes": compare(0.02, 0.01)},
        report={
            "transposed": compare(0.02, 0.01, is_trained_for=True),
            "upside down": compare(0.02, 0.01, refused=0.94, is_trained_for=True),
            "script": compare(0.0, 0.5, refused=0.995, is_trained_for=False),
        },
        articles=AcceptedScore(accepted=0.97, classes={"Shirt": 0.98, "Bag": 0.96}),
    ),
    corruptions={
        "noise": CorruptionScore(
            strengths=("1", "2", "3"), accuracies=(0.9, 0.8, 0.7), accepted=(0.95, 0.85, 0.75), is_trained_for=True
        ),
        "rain": CorruptionScore(strengths=("1", "2", "3"), accuracies=(0.9, 0.8, 0.7)),
    },
    poor_pictures={
        "background 10": PoorPictureScore(accuracy=0.9, accepted=0.8, is_trained_for=True),
        "blur": PoorPictureScore(accuracy=0.8, accepted=0.9, is_trained_for=True),
        "glare": PoorPictureScore(accuracy=0.7, accepted=0.6, is_trained_for=False),
    },
    nonsense=NonsenseScore(queries=2000, probability=0.9, reached=((), ("Bag",))),
)
CALIBRATION = Calibration(
    images=5,
    temperature=0.8,
    prediction_sets=PredictionSets(
        method="least-ambiguous",
        thresholds=dict.fromkeys(KEYS, 0.5),
        class_thresholds=dict.fromkeys(KEYS, (0.5, 0.2)),
    ),
    novelty=NoveltyThresholds(threshold=0.1, threshold_98=0.2, class_thresholds=(0.25, 0.75)),
)


def make_manifest(**changes: object) -> Manifest:
    return Manifest(
        name="m",
        sha256="0" * 64,
        labels=LABELS,
        input=InputSpec(height=2, width=2),
        training=TRAINING_RECORD,
        calibration=CALIBRATION,
        evaluation=RECORD,
    ).model_copy(update=changes)


@pytest.mark.parametrize(
    "said",
    [
        "| test images (images of the classes) | 4 | 97.00 % | yes |",
        "| script | 100 | 0.50 % | no |",
        "Images of the classes turned, transposed, upside down and halves: 4.00 % on average.",
        "*Bag* is accepted least often: 96.00 %",
        "| Bag | 96.00 % | 0.75 |",
        "2,000 queries for each of the 2 classes",
        "in 2 searches: 0 (none), 1 (Bag).",
        "The service uses the model's own output nevertheless",
        "it accepts 2.00 % on average",
    ],
)
def test_novelty_section_says(said: str) -> None:
    """The shares accepted, those of each class, the search's yield and the reason for the method are in it."""
    assert said in "\n".join(render_novelty(make_manifest()))


def test_method_that_is_served_needs_no_reason() -> None:
    """If the best method is the model's own output, the section says that it is served."""
    assert RECORD.novelty is not None
    novelty = RECORD.novelty.model_copy(update={"best_method": "own output"})
    text = "\n".join(render_novelty(make_manifest(evaluation=RECORD.model_copy(update={"novelty": novelty}))))

    assert "The service uses it." in text
    assert "nevertheless" not in text


def test_classes_with_too_few_images_have_one_threshold() -> None:
    """Where the thresholds of all classes are equal, as those of classes with few images are, the section says so."""
    novelty = NoveltyThresholds(threshold=0.1, threshold_98=0.2, class_thresholds=(0.25, 0.25))
    manifest = make_manifest(calibration=CALIBRATION.model_copy(update={"novelty": novelty}))
    assert "a threshold, the same for all classes, which 97.5 %" in "\n".join(render_novelty(manifest))
    assert "threshold of its predicted class" in "\n".join(render_novelty(make_manifest()))


def test_section_on_fashion_mnist_speaks_of_articles() -> None:
    """What is known of Fashion-MNIST are articles."""
    novelty = NoveltyThresholds(threshold=0.125, threshold_98=0.2)
    calibration = CALIBRATION.model_copy(update={"novelty": novelty})
    manifest = make_manifest(labels=FASHION_MNIST_LABELS, calibration=calibration)
    assert "test images (articles)" in "\n".join(render_novelty(manifest))


def test_one_threshold_for_all_classes_is_named() -> None:
    """A model with one threshold has that in the section."""
    novelty = NoveltyThresholds(threshold=0.125, threshold_98=0.2)
    calibration = CALIBRATION.model_copy(update={"novelty": novelty})

    text = "\n".join(render_novelty(make_manifest(calibration=calibration)))

    assert "a novelty above 0.125, which 95 % of the validation images do not exceed" in text


@pytest.mark.parametrize(
    "said",
    [
        "| noise | 90.00 % / 95.00 % (1) | 80.00 % / 85.00 % (2) | 70.00 % / 75.00 % (3) | yes |",
        "| rain | 90.00 % (1) | 80.00 % (2) | 70.00 % (3) | not known |",
        "| glare | 70.00 % | 60.00 % | no |",
        "| *mean of those in training* | 85.00 % | 85.00 % |  |",
        "| *mean of those not in training* | 70.00 % | 60.00 % |  |",
    ],
)
def test_robustness_section_says(said: str) -> None:
    """Accuracy and the share accepted are in it for every corruption and kind, and the means of the kinds."""
    assert said in "\n".join(render_robustness(RECORD))


def test_calibration_section_has_the_reliability_of_each_class(tmp_path: Path) -> None:
    """Confidence and accuracy are in it for each predicted class."""
    text = "\n".join(render_calibration(tmp_path / "m.h5", make_manifest()))

    assert "| Shirt | 3 | 87.30 % | 83.20 % |" in text
    assert "| Bag |" not in text


@pytest.mark.parametrize(
    ("class_thresholds", "said"),
    [
        (dict.fromkeys(KEYS, (0.5, 0.2)), "Each class has its own threshold"),
        (None, "on average over the classes"),
    ],
    ids=["of each class", "one for all"],
)
def test_sets_section_says_whom_the_coverage_holds_for(
    class_thresholds: dict[str, tuple[float, float]] | None, said: str
) -> None:
    """The section says whether the coverage holds for each class or on average."""
    sets = CALIBRATION.prediction_sets.model_copy(update={"class_thresholds": class_thresholds})
    manifest = make_manifest(calibration=CALIBRATION.model_copy(update={"prediction_sets": sets}))

    assert said in "\n".join(render_prediction_sets(manifest))


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (0.05, "lowers the calibration error"),
        (0.15, "by no more than chance may"),
        (0.3, "does not lower the calibration error on the test images: it raises it"),
    ],
)
def test_calibration_says_what_the_temperature_does(after: float, said: str) -> None:
    """A calibration error that is within the interval of the one before may have changed by chance."""
    before = SCORE.model_copy(update={"expected_calibration_error": Estimate(value=0.15, low=0.1, high=0.2)})
    changed = SCORE.model_copy(update={"expected_calibration_error": ESTIMATE.model_copy(update={"value": after})})
    record = RECORD.model_copy(update={"calibration": CalibrationReport(before=before, after=changed)})
    manifest = make_manifest(evaluation=record)

    assert said in "\n".join(render_calibration(Path("bands.h5"), manifest))


def test_coverage_that_is_missed_is_named() -> None:
    """A nominal coverage above the interval of the measured one is named; the others are not."""
    text = "\n".join(render_prediction_sets(make_manifest()))
    assert "Missed by more than chance: 99 %." in text


def test_class_without_test_images_has_no_lowest_recall() -> None:
    """The class that is named for its recall is one of which there are test images."""
    classes = {
        "Shirt": ClassScore(precision=0.5, recall=0.5, images=2),
        "Bag": ClassScore(precision=0, recall=0, images=0),
    }
    text = "\n".join(render_accuracy(RECORD.model_copy(update={"classes": classes})))
    assert "*Shirt* has the lowest recall, 50.00 %." in text


def test_names_of_classes_are_no_markdown() -> None:
    """Whatever a class is called, it has one row in a table, and one cell in that."""
    classes = {"a|b\n*c*": ClassScore(precision=0.5, recall=0.5, images=2)}
    text = "\n".join(render_accuracy(RECORD.model_copy(update={"classes": classes})))
    assert "\n| a\\|b \\*c\\* | 50.00 % | 50.00 % | 2 |" in text
