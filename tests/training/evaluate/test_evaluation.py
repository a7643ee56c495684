import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import FILES
from fashion_api.errors import DataError, ModelError, TrainingError
from fashion_api.files import sha256_hex
from fashion_api.inference.evaluation_record import CostRecord
from fashion_api.inference.manifest import manifest_path, read_manifest, write_manifest
from fashion_api.inference.model_file import ModelFile
from fashion_api.settings import Settings
from fashion_api.training.evaluate.evaluation import STAGES, EvaluationOutcome, evaluate_model
from fashion_api.training.evaluate.stages import Moment, Show, show_nothing
from fashion_api.training.fit.training import TrainingOutcome
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import Model, keras
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import RECIPES
from tests.compiling import compile_here
from tests.idx import encode_idx
from tests.training.samples import LABELS, make_settings, write_data_set

pytestmark = pytest.mark.tensorflow

COST = CostRecord(parameters=12, multiply_adds=345, relative_time=0.5)


def give_cost(_file: ModelFile, _network: Model, _cache_dir: Path) -> CostRecord:
    """Give a cost without measuring, which takes seconds."""
    return COST


def evaluate(settings: Settings, *, show: Show = show_nothing) -> EvaluationOutcome:
    return evaluate_model(settings, cost=give_cost, drawn=20, queries=20, show=show)


@pytest.fixture(scope="module")
def evaluated(trained: TrainingOutcome, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> EvaluationOutcome:
    """The evaluation of a trained model, for the tests that only look at what it left behind."""
    folder = tmp_path_factory.mktemp("evaluated")
    for path in (trained.model_path, manifest_path(trained.model_path), trained.log_path):
        shutil.copy(path, folder)
    return evaluate(make_settings(data_dir, model_path=folder / trained.model_path.name, engine="keras"))


@pytest.fixture(scope="module")
def evaluated_residual(
    trained: TrainingOutcome, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationOutcome:
    """The evaluation of an uncalibrated network with fresh weights and a novelty output."""
    path = tmp_path_factory.mktemp("residual") / "fresh.h5"
    keras.utils.set_random_seed(0)  # with some weights, even such a network makes no mistake
    content = encode_h5(build_model(RECIPES["compact"], shape=(8, 8), classes=2, precision="float32"))
    path.write_bytes(content)
    changes = {"name": "fresh", "sha256": sha256_hex(content), "calibration": None}
    write_manifest(path, trained.manifest.model_copy(update=changes))
    (path.parent / "digits").write_bytes(encode_idx(np.zeros((3, 8, 8), np.uint8)))
    return evaluate(make_settings(data_dir, model_path=path, engine="keras", digits_file=path.parent / "digits"))


@pytest.fixture(scope="module")
def evaluated_bare(
    trained: TrainingOutcome, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> EvaluationOutcome:
    """The evaluation of a trained model that has no manifest."""
    path = Path(shutil.copy(trained.model_path, tmp_path_factory.mktemp("bare")))
    return evaluate(make_settings(data_dir, model_path=path, engine="keras"))


@pytest.fixture
def bare_model_path(trained: TrainingOutcome, tmp_path: Path) -> Path:
    """A trained model of the test's own, without its manifest."""
    return Path(shutil.copy(trained.model_path, tmp_path))


def test_scores_are_of_the_test_set(evaluated: EvaluationOutcome) -> None:
    """A model that has learnt the classes gets every test image right."""
    assert (evaluated.record.correct, evaluated.record.images) == (32, 32)


def test_scores_are_written_into_the_manifest(evaluated: EvaluationOutcome, trained: TrainingOutcome) -> None:
    """The manifest gains the scores, and its other fields are unchanged."""
    expected = trained.manifest.model_copy(update={"evaluation": evaluated.record})

    assert read_manifest(evaluated.model_path) == expected


@pytest.mark.parametrize("name", ["confusion_matrix", "reliability"])
def test_plots_are_drawn_beside_the_model(evaluated: EvaluationOutcome, name: str) -> None:
    """Each plot becomes a PNG file named after the model."""
    path = evaluated.model_path.with_name(f"bands_{name}.png")

    assert path in evaluated.paths
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_learning_curves_are_those_of_the_run(evaluated: EvaluationOutcome, trained: TrainingOutcome) -> None:
    """The plot drawn from the training log is the run's, to the byte."""
    path = evaluated.model_path.with_name("bands_learning_curves.png")

    assert path in evaluated.paths
    assert path.read_bytes() == trained.curves_path.read_bytes()


def test_learning_curves_without_a_log_are_kept(
    trained: TrainingOutcome, data_dir: Path, bare_model_path: Path
) -> None:
    """Without a training log, existing learning curves are not removed."""
    shutil.copy(manifest_path(trained.model_path), bare_model_path.parent)
    curves = bare_model_path.with_name("bands_learning_curves.png")
    curves.write_bytes(b"curves")

    outcome = evaluate(make_settings(data_dir, model_path=bare_model_path, engine="keras"))

    assert curves.read_bytes() == b"curves"
    assert curves not in outcome.paths


def test_broken_log_is_an_error_at_once(bare_model_path: Path, data_dir: Path) -> None:
    """A broken training log ends the evaluation before anything is measured."""
    bare_model_path.with_name("bands_training_log.csv").write_text("epoch,loss\n")

    with pytest.raises(TrainingError, match=r"bands_training_log\.csv is not a training log"):
        evaluate(make_settings(data_dir, model_path=bare_model_path))


def test_model_without_mistakes_has_no_sheet_of_them(evaluated: EvaluationOutcome) -> None:
    """If every image is classified right, no sheet is drawn."""
    assert not evaluated.model_path.with_name("bands_mistakes.png").exists()


def test_mistakes_are_shown(evaluated_residual: EvaluationOutcome) -> None:
    """The most confident mistakes are drawn, and the card shows them."""
    assert evaluated_residual.model_path.with_name("fresh_mistakes.png").exists()
    assert "(fresh_mistakes.png)" in evaluated_residual.model_path.with_name("README.md").read_text()


def test_everything_is_measured_of_a_calibrated_model(evaluated: EvaluationOutcome) -> None:
    """Calibration, prediction sets, novelty, robustness and cost are all in the record."""
    record = evaluated.record

    assert record.calibration is not None
    assert record.prediction_sets is not None
    assert record.novelty is not None
    assert (record.mirrored_accuracy, record.cost) == (1, COST)
    assert record.corruptions is not None


def test_model_without_a_novelty_output_refuses_nothing(evaluated: EvaluationOutcome) -> None:
    """For a model with one output, only the other methods are compared, and there are no shares refused."""
    assert evaluated.record.novelty is not None
    assert evaluated.record.novelty.articles is None
    assert "own output" not in evaluated.record.novelty.report["letters"].methods


def test_uncalibrated_model_is_calibrated_first(evaluated_residual: EvaluationOutcome) -> None:
    """A model with a record of its training but no calibration is calibrated, and scored with that."""
    manifest = read_manifest(evaluated_residual.model_path)

    assert manifest is not None
    assert manifest.calibration is not None
    assert manifest.calibration.novelty is not None
    assert evaluated_residual.record.calibration is not None


def test_calibration_is_that_of_the_training(trained: TrainingOutcome, bare_model_path: Path, data_dir: Path) -> None:
    """A model whose manifest has lost its calibration gets the same one again, on any engine."""
    write_manifest(bare_model_path, trained.manifest.model_copy(update={"calibration": None}))

    settings = make_settings(data_dir, model_path=bare_model_path)
    compile_here(settings)

    evaluate(settings)

    manifest = read_manifest(bare_model_path)
    assert manifest is not None
    assert manifest.calibration == trained.manifest.calibration


def test_own_output_is_compared_and_counted(evaluated_residual: EvaluationOutcome) -> None:
    """For a model with a novelty output, that is one of the methods, and the shares refused are measured."""
    novelty = evaluated_residual.record.novelty

    assert novelty is not None
    assert novelty.articles is not None
    assert novelty.report["letters"].methods.keys() > {"own output", "ViM"}
    assert novelty.report["letters"].refused is not None
    assert evaluated_residual.record.nonsense is not None
    assert evaluated_residual.record.poor_pictures is not None
    assert all(score.accepted is not None for score in evaluated_residual.record.poor_pictures.values())


def test_digits_are_measured_where_they_are_set(
    evaluated: EvaluationOutcome, evaluated_residual: EvaluationOutcome
) -> None:
    """With a file of digits they are in the report; without it, the report of other data does not name them."""
    with_digits, without = evaluated_residual.record.novelty, evaluated.record.novelty

    assert with_digits is not None
    assert without is not None
    assert with_digits.report["MNIST digits"].images == 3
    assert (with_digits.not_measured, without.not_measured) == ((), ())
    assert "MNIST digits" not in without.report


def test_card_of_other_data_speaks_of_no_articles(evaluated_residual: EvaluationOutcome) -> None:
    """The card of a data set that is not Fashion-MNIST has no word of articles; its digits were asked for."""
    card = evaluated_residual.model_path.with_name("README.md").read_text().replace("MNIST digits", "")
    assert "## Novelty" in card
    assert not re.findall(r"(?i)article|fashion.mnist|mnist|garment|cloth|shirt|light on black|turned", card)


def test_evaluating_again_gives_the_same_figures(evaluated_residual: EvaluationOutcome, data_dir: Path) -> None:
    """The record does not depend on chance or on an earlier evaluation."""
    path = evaluated_residual.model_path
    again = evaluate(make_settings(data_dir, model_path=path, engine="keras", digits_file=path.parent / "digits"))

    assert again.record == evaluated_residual.record


def test_summary_has_accuracy_with_interval(evaluated: EvaluationOutcome) -> None:
    """The summary has the accuracy, its interval and the files written."""
    assert "test accuracy 1.0000 (32 of 32; 95 % interval 0.8928–1.0000)" in evaluated.summary()
    assert str(manifest_path(evaluated.model_path)) in evaluated.summary()


def test_model_without_manifest_gets_one(evaluated_bare: EvaluationOutcome) -> None:
    """A model without a manifest, as the tutorial's, is evaluated, and gets a manifest."""
    manifest = read_manifest(evaluated_bare.model_path)

    assert manifest is not None
    assert (manifest.labels, manifest.evaluation) == (LABELS, evaluated_bare.record)


def test_model_without_a_training_record_is_scored_in_part(evaluated_bare: EvaluationOutcome) -> None:
    """Without a training record, calibration and novelty are left out, and the rest is measured."""
    record = evaluated_bare.record

    assert (record.calibration, record.prediction_sets, record.novelty) == (None, None, None)
    assert record.corruptions is not None


def test_stages_are_shown(bare_model_path: Path, data_dir: Path) -> None:
    """Each stage is shown in its order, with its number and what it is at, and the share never falls."""
    moments: list[Moment] = []

    evaluate(make_settings(data_dir, model_path=bare_model_path, engine="keras"), show=moments.append)

    begun = list(dict.fromkeys((moment.number, moment.stage) for moment in moments))
    assert begun[:3] == [(1, "model and data"), (2, "accuracy"), (3, "altered images")]
    assert begun[-1] == (len(STAGES) + 1, "")
    assert "JPEG" in [moment.part for moment in moments]
    shares = [moment.share for moment in moments]
    assert (shares[0], shares[-1], shares) == (0, 1, sorted(shares))


def test_smaller_training_set_is_refused(trained: TrainingOutcome, bare_model_path: Path, data_dir: Path) -> None:
    """A training set smaller than the model's own is refused before anything is measured."""
    record = trained.record.model_copy(update={"training_images": 100})
    write_manifest(bare_model_path, trained.manifest.model_copy(update={"training": record}))

    with pytest.raises(TrainingError, match=r"trained on 116 images.* has 64"):
        evaluate(make_settings(data_dir, model_path=bare_model_path))


def test_missing_model_is_an_error(data_dir: Path, tmp_path: Path) -> None:
    """A missing model is an error."""
    with pytest.raises(ModelError, match="there is no model"):
        evaluate(make_settings(data_dir, model_path=tmp_path / "none.h5"))


def test_data_of_another_size_is_refused(bare_model_path: Path, tmp_path: Path) -> None:
    """A model is not scored on images that are not of its size."""
    write_data_set(tmp_path / "wide", width=9)

    with pytest.raises(DataError, match="8×9 pixels, not 8×8"):
        evaluate(make_settings(tmp_path / "wide", model_path=bare_model_path))


def test_unwritable_file_is_named(bare_model_path: Path, data_dir: Path) -> None:
    """If a figure cannot be written, the error names the file and the reason."""
    bare_model_path.with_name("bands_confusion_matrix.png").mkdir()

    with pytest.raises(TrainingError, match="cannot be written: Is a directory"):
        evaluate(make_settings(data_dir, model_path=bare_model_path, engine="keras"))


def test_missing_training_set_leaves_out_what_needs_it(
    trained: TrainingOutcome, data_dir: Path, tmp_path: Path
) -> None:
    """With the test images alone, what needs validation images is left out, and the rest is measured."""
    for name in FILES["test"]:
        shutil.copy(data_dir / name, tmp_path)
    path = Path(shutil.copy(trained.model_path, tmp_path))
    write_manifest(path, trained.manifest.model_copy(update={"calibration": None}))

    record = evaluate(make_settings(tmp_path, model_path=path, engine="keras")).record

    assert (record.correct, record.calibration, record.novelty, record.nonsense) == (32, None, None, None)
