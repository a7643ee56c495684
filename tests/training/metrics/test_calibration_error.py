import numpy as np
import pytest

from fashion_api.training.metrics.calibration_error import compute_brier, compute_ece, compute_nll, estimate_ece_floor

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])


def test_nll_is_the_logarithm_of_the_right_class() -> None:
    """Each image's loss is -log of the probability of its own class."""
    np.testing.assert_allclose(compute_nll(PROBABILITIES, np.array([0, 2])), -np.log([0.7, 0.3]))


def test_nll_of_an_impossible_class_is_finite() -> None:
    """A right class with a probability of 0 has a large but finite loss."""
    assert compute_nll(np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-np.log(1e-37))


def test_brier_sums_the_squared_errors_of_all_classes() -> None:
    """Each image's score is that of Brier's own definition, computed by hand."""
    expected = [0.3**2 + 0.2**2 + 0.1**2, 0.1**2 + 0.6**2 + 0.7**2]
    np.testing.assert_allclose(compute_brier(PROBABILITIES, np.array([0, 2])), expected)


def test_ece_weights_the_gaps_of_the_bins() -> None:
    """Two bins, one of two images at 0.9 of which one is right, one of one image at 0.5 that is right: by hand."""
    error = compute_ece(np.array([0.9, 0.9, 0.5]), np.array([True, False, True]))
    assert error == pytest.approx(2 / 3 * 0.4 + 1 / 3 * 0.5)


def test_ece_of_certain_and_right_is_zero() -> None:
    """A model that is always certain and always right has no calibration error."""
    assert compute_ece(np.ones(5), np.ones(5, np.bool_)) == 0


def test_ece_lets_errors_within_a_bin_cancel() -> None:
    """Within a bin, an overconfident and an underconfident image cancel."""
    assert compute_ece(np.array([0.96, 0.98]), np.array([True, True])) == pytest.approx(0.03)


def test_bin_holds_its_upper_edge() -> None:
    """A confidence on the edge of two bins is counted in the lower one."""
    error = compute_ece(np.array([2 / 15, 2 / 15 + 1e-9]), np.array([True, False]))
    assert error == pytest.approx(0.5, abs=1e-6)


def test_ece_floor_is_near_that_of_exact_confidences() -> None:
    """If the confidences are exactly right, the error is about the floor."""
    rng = np.random.default_rng(3)
    confidences = rng.uniform(0.2, 1, 4000)
    measured = np.mean([compute_ece(confidences, rng.random(4000) < confidences) for _ in range(20)])
    assert estimate_ece_floor(confidences) == pytest.approx(measured, rel=0.15)
