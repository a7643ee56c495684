import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fashion_api.training.metrics.roc import compute_auroc, compute_fpr

# Few distinct values, so that there are ties.
SCORES = arrays.arrays(np.float64, st.integers(1, 20), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0]))


@given(accepted=SCORES, refused=SCORES)
def test_auroc_is_the_share_of_pairs_in_the_right_order(
    accepted: "np.ndarray[tuple[int], np.dtype[np.float64]]", refused: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> None:
    """The area is the share of pairs in which the refused one has the higher score, ties counting half."""
    pairs = [(high > low) + (high == low) / 2 for low in accepted for high in refused]
    assert compute_auroc(accepted, refused) == pytest.approx(np.mean(pairs))


@given(accepted=SCORES, refused=SCORES)
def test_auroc_of_the_roles_exchanged_is_the_rest(
    accepted: "np.ndarray[tuple[int], np.dtype[np.float64]]", refused: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> None:
    """Exchanging the roles gives one minus the area."""
    assert compute_auroc(accepted, refused) + compute_auroc(refused, accepted) == pytest.approx(1)


def test_fpr_is_counted_at_the_threshold_of_the_accepted() -> None:
    """19 of 20 accepted score at most 18, and so do half of the refused."""
    assert compute_fpr(np.arange(20.0), np.array([3.0, 18.0, 18.5, 90.0])) == 0.5


@given(accepted=SCORES)
def test_fpr_of_the_same_scores_is_at_least_the_share(
    accepted: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> None:
    """Images that score like the accepted are accepted as often."""
    assert compute_fpr(accepted, accepted) >= 0.95
