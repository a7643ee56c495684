import numpy as np
import pytest

from fashion_api.inference.calibration import COVERAGES
from fashion_api.training.calibrate.conformal import METHODS, Method, choose_method, fit_prediction_sets
from tests.training.calibrate.answers import draw_answers


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_hold_the_right_class_as_often_as_is_wanted(method: Method, coverage: float) -> None:
    """On other images than those fitted on, the sets of either method have the coverage, up to chance."""
    sets = fit_prediction_sets(*draw_answers(2000), method)
    fresh, labels = draw_answers(4000, seed=1)
    is_covered = [
        label in sets.find_classes(row, coverage) for row, label in zip(fresh.tolist(), labels.tolist(), strict=True)
    ]
    # Adaptive sets without randomisation exceed the coverage.
    assert np.mean(is_covered) >= coverage - 4 * np.sqrt(coverage * (1 - coverage) * (1 / 2000 + 1 / 4000))


@pytest.mark.parametrize("method", METHODS)
def test_threshold_has_the_rank_for_finite_samples(method: Method) -> None:
    """The sets for 90 % hold the right class of ⌈0.9 (n + 1)⌉ of the n images fitted on."""
    probabilities, labels = draw_answers(99)
    sets = fit_prediction_sets(probabilities, labels, method)
    covered = sum(
        label in sets.find_classes(row, 0.9) for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
    )
    assert covered >= 90
    if method == "least-ambiguous":
        is_top = probabilities.argmax(axis=1) == labels
        own = probabilities[np.arange(99), labels]
        assert (own >= sets.thresholds["0.9"]).sum() == 90
        assert covered == (is_top | (own >= sets.thresholds["0.9"])).sum()


@pytest.mark.parametrize("method", METHODS)
def test_too_few_images_for_a_coverage_give_every_class(method: Method) -> None:
    """With ten images, the sets for 99 % hold all classes."""
    probabilities, labels = draw_answers(10)
    sets = fit_prediction_sets(probabilities, labels, method)
    assert sorted(sets.find_classes([0.5, 0.2, 0.15, 0.1, 0.05], 0.99)) == [0, 1, 2, 3, 4]


def test_method_with_the_smaller_sets_is_chosen() -> None:
    """A few very wrong answers make adaptive sets large, so that the least ambiguous are chosen."""
    assert choose_method(*draw_answers(1000)) == "least-ambiguous"
