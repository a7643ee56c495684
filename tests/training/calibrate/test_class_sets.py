import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.inference.calibration import COVERAGES, PredictionSets
from fashion_api.training.calibrate.class_sets import (
    count_needed,
    fit_blended_thresholds,
    fit_class_sets,
    fit_class_thresholds,
)


def draw_answers(count: int, *, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Draw probabilities of four classes of which the last is hard: float64[n, 4] and the right classes, int[n]."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    logits = rng.normal(0, 1, (count, 4))
    logits[np.arange(count), labels] += np.where(labels == 3, 1.0, 4.0)
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=1, keepdims=True), labels


def test_every_class_is_covered_as_asked() -> None:
    """On other images, each class has its share covered, the hard class too."""
    thresholds = fit_class_thresholds(*draw_answers(8000), 0.95)
    probabilities, labels = draw_answers(8000, seed=1)
    is_covered = (probabilities >= thresholds)[np.arange(8000), labels]
    assert min(is_covered[labels == class_id].mean() for class_id in range(4)) > 0.93


def test_confidence_keeps_the_coverage_for_most_validation_sets() -> None:
    """With a confidence of 90 %, about that share of small validation sets give at least the coverage."""
    probabilities, labels = draw_answers(20_000, seed=99)
    kept = []
    for seed in range(60):
        thresholds = fit_class_thresholds(*draw_answers(800, seed=seed), 0.9, confidence=0.9)
        own = labels == 3
        kept.append((probabilities[own, 3] >= thresholds[3]).mean() >= 0.9)
    assert np.mean(kept) > 0.8


@pytest.mark.parametrize(
    ("images", "coverage", "expected"), [(99, 0.95, 95), (100, 0.95, 96), (10, 0.95, 11), (0, 0.9, 1)]
)
def test_count_needed_on_average(images: int, coverage: float, expected: int) -> None:
    """⌈(n + 1) · coverage⌉ images must be covered; more than there are if these are too few."""
    assert count_needed(images, coverage) == expected


def test_more_confidence_needs_more_images() -> None:
    """The count rises with the confidence, up to more images than there are."""
    counts = [count_needed(500, 0.99, confidence=confidence) for confidence in (0.5, 0.9, 0.99)]
    assert counts == sorted(set(counts))
    assert count_needed(100, 0.99, confidence=0.9) == 101


def test_blend_lies_between_own_and_common_thresholds() -> None:
    """With weight 0 all classes have one threshold, with 1 each its own, and otherwise one between."""
    answers = draw_answers(2000)
    common, half, own = (fit_blended_thresholds(*answers, 0.95, weight=weight) for weight in (0, 0.5, 1))
    assert common.tolist() == pytest.approx([common[0]] * 4)
    assert own.tolist() == pytest.approx(fit_class_thresholds(*answers, 0.95).tolist())
    assert (np.sign(half - common) == np.sign(own - half)).all()


def test_class_without_images_is_in_every_set() -> None:
    """A class with too few validation images is in every set."""
    probabilities = np.tile([0.9, 0.1], (40, 1))
    thresholds = fit_class_thresholds(probabilities, np.zeros(40, np.intp), 0.95)
    assert thresholds[1] == 0


def test_class_sets_cover_each_class() -> None:
    """On other images, the sets of every coverage hold each class about as often as wanted."""
    fitted = fit_class_sets(*draw_answers(8000))
    sets = PredictionSets(
        method="least-ambiguous", thresholds=dict.fromkeys(("0.9", "0.95", "0.99"), 0.0), class_thresholds=fitted
    )
    probabilities, labels = draw_answers(4000, seed=1)
    for coverage in COVERAGES:
        is_covered = np.array(
            [
                label in sets.find_classes(row, coverage)
                for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
            ]
        )
        assert min(is_covered[labels == class_id].mean() for class_id in range(4)) > coverage - 0.025


def test_small_classes_have_no_own_thresholds() -> None:
    """If a class has fewer than 100 validation images, one threshold applies to all classes."""
    assert fit_class_sets(*draw_answers(300)) is None
