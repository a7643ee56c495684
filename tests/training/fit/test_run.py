import numpy as np
import pytest

from fashion_api.training.fit.run import compute_novelty_loss

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize(
    ("is_outlier", "novelty", "loss"),
    [(0, 0.0, 0.0), (0, 2.0, 2.0), (1, 2.0, 0.1454134), (1, 30.0, 0.0)],
    ids=["sure article", "doubtful article", "doubtful outlier", "sure outlier"],
)
def test_novelty_loss_is_a_cross_entropy(is_outlier: int, novelty: float, loss: float) -> None:
    """An article's loss is -log P(article), the novelty; an outlier's is -log(1 - P(article))."""
    computed = compute_novelty_loss(np.array([is_outlier], np.float32), np.array([[novelty]], np.float32))

    np.testing.assert_allclose(computed.numpy(), [loss], atol=1e-6)


def test_novelty_loss_is_finite_for_a_wrong_certainty() -> None:
    """An outlier that is certainly taken for an article has a large but finite loss."""
    computed = compute_novelty_loss(np.array([1], np.float32), np.array([[0]], np.float32)).numpy()

    assert 10 < computed[0] < 20
