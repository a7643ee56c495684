import numpy as np
import pytest

from fashion_api.training.calibrate.temperature import apply_temperature, fit_temperature
from fashion_api.training.metrics.calibration_error import compute_nll
from tests.training.calibrate.answers import draw_answers


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_undoes_over_and_underconfidence(temperature: float) -> None:
    """For calibrated probabilities that were sharpened or softened by a temperature, its inverse is found."""
    probabilities, labels = draw_answers(20_000)
    assert fit_temperature(apply_temperature(probabilities, 1 / temperature), labels) == pytest.approx(
        temperature, rel=0.05
    )


def test_temperature_has_the_lowest_loss_of_a_grid() -> None:
    """No temperature of a fine grid has a lower loss than the one found."""
    probabilities, labels = draw_answers(300)
    raw = apply_temperature(probabilities, 0.6)
    losses = [compute_nll(apply_temperature(raw, T), labels).mean() for T in np.geomspace(0.05, 20, 400)]
    assert compute_nll(apply_temperature(raw, fit_temperature(raw, labels)), labels).mean() <= min(losses) + 1e-9


def test_temperature_of_a_flawless_model_is_one() -> None:
    """If every answer is right, which says nothing of how sure they should be, the probabilities stay as they are."""
    assert fit_temperature(np.tile([0.9, 0.1], (20, 1)), np.zeros(20, np.intp)) == 1


def test_temperature_keeps_the_order_of_the_classes() -> None:
    """A temperature does not change the order of the classes."""
    probabilities, _ = draw_answers(50)
    np.testing.assert_array_equal(apply_temperature(probabilities, 3.0).argsort(), probabilities.argsort())


def test_inverse_temperature_undoes_it() -> None:
    """1 / T reverts T."""
    probabilities, _ = draw_answers(50)
    np.testing.assert_allclose(
        apply_temperature(apply_temperature(probabilities, 1.7), 1 / 1.7), probabilities, atol=1e-12
    )
