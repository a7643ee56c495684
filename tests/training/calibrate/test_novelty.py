import numpy as np
import pytest

from fashion_api.training.calibrate.novelty import fit_novelty


def test_share_of_articles_is_below_the_novelty_thresholds() -> None:
    """95 and 98 of a hundred articles do not exceed the two thresholds of all classes."""
    novelty = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    thresholds = fit_novelty(novelty, np.zeros(100, np.intp), classes=2)
    assert (thresholds.threshold, thresholds.threshold_98) == (95, 98)


def test_share_of_each_predicted_class_is_below_its_threshold() -> None:
    """Of each predicted class, 97.5 % of the articles are accepted, however novel they are."""
    rng = np.random.default_rng(0)
    predicted = np.repeat([0, 1], 400)
    novelty = rng.random(800) * np.where(predicted == 0, 1, 100)
    thresholds = fit_novelty(novelty, predicted, classes=2)
    is_accepted = novelty <= np.array([thresholds.get_threshold(class_id) for class_id in (0, 1)])[predicted]
    assert [is_accepted[predicted == class_id].mean() for class_id in (0, 1)] == [0.975, 0.975]


def test_rare_class_gets_the_threshold_of_all() -> None:
    """A class that is predicted for few images, or for none, has the threshold of all images."""
    thresholds = fit_novelty(np.linspace(0, 1, 100), np.zeros(100, np.intp), classes=3)
    assert thresholds.class_thresholds == pytest.approx([thresholds.get_threshold(0)] * 3)


def test_novelty_threshold_is_never_zero() -> None:
    """If the novelty of every article is 0, the thresholds are still positive, as the manifest requires."""
    thresholds = fit_novelty(np.zeros(100), np.zeros(100, np.intp), classes=2)
    assert min(thresholds.threshold, *(thresholds.class_thresholds or ())) > 0
