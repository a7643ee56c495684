import numpy as np
import pytest

from fashion_api.training.metrics.intervals import compute_wilson_interval, estimate_mean


@pytest.mark.parametrize(
    ("correct", "total", "expected"),
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
        (20, 20, (0.8389, 1.0)),
    ],
)
def test_wilson_interval_has_the_published_values(correct: int, total: int, expected: tuple[float, float]) -> None:
    """The interval is that of Newcombe's table I, method 3 (Statistics in Medicine 17, 1998, 857–872)."""
    assert compute_wilson_interval(correct, total) == pytest.approx(expected, abs=5e-5)


def test_interval_of_a_mean_is_the_textbook_one() -> None:
    """For a mean, the bootstrap's standard error is the standard deviation over the root of the count."""
    values = np.random.default_rng(1).normal(5, 2, 2000)
    estimate = estimate_mean(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(2000), rel=0.08)
