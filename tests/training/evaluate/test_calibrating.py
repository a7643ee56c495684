import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.errors import TrainingError
from fashion_api.inference.calibration import COVERAGES
from fashion_api.inference.manifest import manifest_path, read_manifest, write_manifest
from fashion_api.training.evaluate.calibrating import (
    METHODS,
    Method,
    apply_temperature,
    calibrate,
    calibrate_model,
    choose_method,
    fit_novelty,
    fit_prediction_sets,
    fit_temperature,
)
from fashion_api.training.evaluate.metrics import compute_nll
from fashion_api.training.fit.training import TrainingOutcome
from tests.training.conftest import make_settings


def draw_answers(count: int, *, seed: int = 0) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Draw probabilities of five classes, and right classes that follow them: float64[n, 5] and int[n]."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(5, 0.4), count)
    return probabilities, (probabilities.cumsum(axis=1) < rng.random((count, 1))).sum(axis=1).clip(0, 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_undoes_over_and_underconfidence(temperature: float) -> None:
    """Of answers that were right before somebody sharpened or softened them, the temperature of that is found."""
    probabilities, labels = draw_answers(20_000)
    assert fit_temperature(apply_temperature(probabilities, 1 / temperature), labels) == pytest.approx(
        temperature, rel=0.05
    )


def test_temperature_has_the_lowest_loss_of_a_grid() -> None:
    """No temperature of a fine grid has a lower loss than the one that is found."""
    probabilities, labels = draw_answers(300)
    raw = apply_temperature(probabilities, 0.6)
    losses = [compute_nll(apply_temperature(raw, T), labels).mean() for T in np.geomspace(0.05, 20, 400)]
    assert compute_nll(apply_temperature(raw, fit_temperature(raw, labels)), labels).mean() <= min(losses) + 1e-9


def test_temperature_of_a_flawless_model_is_bounded() -> None:
    """Where every answer is right, and sharper would always be better, the temperature stops at its bound."""
    assert fit_temperature(np.tile([0.9, 0.1], (20, 1)), np.zeros(20, np.intp)) == pytest.approx(0.05, rel=1e-3)


def test_temperature_keeps_the_order_of_the_classes() -> None:
    """A temperature changes how sure the model is, and not of what."""
    probabilities, _ = draw_answers(50)
    np.testing.assert_array_equal(apply_temperature(probabilities, 3.0).argsort(), probabilities.argsort())


def test_inverse_temperature_undoes_it() -> None:
    """1 / T after T gives the probabilities back."""
    probabilities, _ = draw_answers(50)
    np.testing.assert_allclose(
        apply_temperature(apply_temperature(probabilities, 1.7), 1 / 1.7), probabilities, atol=1e-12
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("coverage", COVERAGES)
def test_sets_hold_the_right_class_as_often_as_is_wanted(method: Method, coverage: float) -> None:
    """On images that they were not fitted on, the sets of either method have the coverage, give or take chance."""
    sets = fit_prediction_sets(*draw_answers(2000), method)
    fresh, labels = draw_answers(4000, seed=1)
    is_covered = [
        label in sets.find_classes(row, coverage) for row, label in zip(fresh.tolist(), labels.tolist(), strict=True)
    ]
    # Adaptive sets without randomisation hold more than is asked for.
    assert np.mean(is_covered) >= coverage - 4 * np.sqrt(coverage * (1 - coverage) * (1 / 2000 + 1 / 4000))


@pytest.mark.parametrize("method", METHODS)
def test_threshold_has_the_rank_for_finite_samples(method: Method) -> None:
    """Of n images that it is fitted on, the sets for 90 % hold the right class of ⌈0.9 (n + 1)⌉."""
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
    """From ten images nothing can be said at 99 %, so that the sets hold all classes."""
    probabilities, labels = draw_answers(10)
    sets = fit_prediction_sets(probabilities, labels, method)
    assert sorted(sets.find_classes([0.5, 0.2, 0.15, 0.1, 0.05], 0.99)) == [0, 1, 2, 3, 4]


def test_method_with_the_smaller_sets_is_chosen() -> None:
    """A few answers that are quite wrong make adaptive sets large, and the least ambiguous are chosen."""
    assert choose_method(*draw_answers(1000)) == "least-ambiguous"


def test_share_of_articles_is_below_the_novelty_thresholds() -> None:
    """95 and 98 of a hundred articles have no more than the two thresholds."""
    novelty = np.random.default_rng(0).permutation(np.arange(1.0, 101.0))
    thresholds = fit_novelty(novelty)
    assert (thresholds.threshold, thresholds.threshold_98) == (95, 98)


def test_novelty_threshold_is_never_zero() -> None:
    """A model that finds nothing novel in any article has a threshold that the manifest takes."""
    assert fit_novelty(np.zeros(10)).threshold > 0


def test_model_that_tells_no_novelty_gets_no_threshold() -> None:
    """Without a second output there is a temperature and there are sets, and nothing else."""
    assert calibrate(*draw_answers(50), novelty=None).novelty is None


def test_answers_that_are_no_numbers_are_refused() -> None:
    """NaN is not calibrated, but told."""
    with pytest.raises(TrainingError, match="no numbers"):
        calibrate(np.full((5, 2), np.nan), np.zeros(5, np.intp), novelty=None)


@pytest.fixture
def copy_path(trained: TrainingOutcome, tmp_path: Path) -> Path:
    """A trained model of the test's own, with its manifest."""
    shutil.copy(manifest_path(trained.model_path), tmp_path)
    return Path(shutil.copy(trained.model_path, tmp_path))


def test_training_ends_with_a_calibration(trained: TrainingOutcome) -> None:
    """A model is calibrated on the images that its training has held back."""
    assert trained.manifest.calibration is not None
    assert trained.manifest.calibration.images == 16


def test_model_is_calibrated_anew_as_training_did(trained: TrainingOutcome, copy_path: Path, data_dir: Path) -> None:
    """Without its calibration, a model gets the same one again, to float32's precision, in its manifest."""
    write_manifest(copy_path, trained.manifest.model_copy(update={"calibration": None}))
    calibration = calibrate_model(make_settings(data_dir, model_path=copy_path, engine="keras"))
    manifest = read_manifest(copy_path)
    assert manifest is not None
    assert manifest.calibration == calibration == trained.manifest.calibration


def test_calibrating_twice_changes_nothing(copy_path: Path, data_dir: Path, trained: TrainingOutcome) -> None:
    """The temperature that a model is served with is taken out before another is fitted."""
    calibration = calibrate_model(make_settings(data_dir, model_path=copy_path, engine="keras"))
    assert trained.manifest.calibration is not None
    assert calibration.temperature == pytest.approx(trained.manifest.calibration.temperature, rel=0.01)


def test_model_without_a_training_record_is_refused(trained: TrainingOutcome, copy_path: Path, data_dir: Path) -> None:
    """Where nobody knows which images were held back, nothing is fitted on images that may have been trained on."""
    write_manifest(copy_path, trained.manifest.model_copy(update={"training": None}))
    with pytest.raises(TrainingError, match="no manifest says which images were held back"):
        calibrate_model(make_settings(data_dir, model_path=copy_path, engine="keras"))


def test_smaller_training_set_is_refused(trained: TrainingOutcome, copy_path: Path, data_dir: Path) -> None:
    """Another training set than the model's own is told by its size."""
    record = trained.record.model_copy(update={"training_images": 100})
    write_manifest(copy_path, trained.manifest.model_copy(update={"training": record}))
    with pytest.raises(TrainingError, match=r"trained on 116 images.* has 64"):
        calibrate_model(make_settings(data_dir, model_path=copy_path, engine="keras"))
