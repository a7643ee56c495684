import csv
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.data.dataset import Split
from fashion_api.errors import FlagError, SettingsError, TrainingError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.manifest import read_manifest
from fashion_api.inference.model_file import read_model_file
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import Settings
from fashion_api.training.fit.training import TrainingOutcome
from fashion_api.training.network.backend import Model, keras
from fashion_api.training.synthetic.augmentation import Augmentation, augment
from tests.eager import computing_eagerly
from tests.training.conftest import Train
from tests.training.samples import COMMAND, LABELS, make_settings, write_data_set

pytestmark = pytest.mark.tensorflow


class Epochs:
    """An augmentation that interrupts the run before an epoch, or misleads it in some epochs."""

    def __init__(self, *, interrupted: int | None = None, misled: range = range(0)) -> None:
        self._interrupted, self._misled = interrupted, misled
        self._number = 0

    def __call__(self, images: Images, augmentation: Augmentation, rng: np.random.Generator) -> Images:
        self._number += 1
        if self._number == self._interrupted:
            raise KeyboardInterrupt  # what Ctrl-C does
        if self._number in self._misled:
            return images[:, ::-1]  # upside down: each class looks like the other
        return augment(images, augmentation, rng)


def load(outcome: TrainingOutcome) -> Model:
    return keras.models.load_model(outcome.model_path, compile=False)


def load_weights(outcome: TrainingOutcome) -> list[npt.NDArray[np.float32]]:
    weights: list[npt.NDArray[np.float32]] = load(outcome).get_weights()
    return weights


def are_equal(first: TrainingOutcome, second: TrainingOutcome) -> bool:
    pairs = zip(load_weights(first), load_weights(second), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


def test_model_learns(trained: TrainingOutcome) -> None:
    """A few steps on simple data are enough to classify it."""
    assert trained.record.validation_accuracy == 1


def test_manifest_is_written_beside_the_model(trained: TrainingOutcome) -> None:
    """The manifest on disk is the outcome's, with the digest of the model on disk."""
    assert read_manifest(trained.model_path) == trained.manifest
    assert trained.manifest.sha256 == sha256_hex(trained.model_path.read_bytes())


def test_manifest_has_the_labels_and_the_input(trained: TrainingOutcome) -> None:
    """The manifest has the model's name, its labels, and the size and pixel range of its images."""
    manifest = trained.manifest

    assert (manifest.name, manifest.labels) == ("bands", LABELS)
    assert (manifest.input.height, manifest.input.width, manifest.input.pixel_range) == (8, 8, (0, 255))


def test_manifest_has_the_training_record(trained: TrainingOutcome, data_dir: Path) -> None:
    """The manifest has the command, the recipe, the data, and the numbers of images trained on and held back."""
    record = trained.record

    assert (record.command, record.recipe, record.seed, record.precision) == (COMMAND, "small", 0, "mixed_bfloat16")
    assert (record.training_images, record.validation_images, record.epochs_run) == (48, 16, 3)
    assert record.data_sha256 == find_data_set(make_settings(data_dir)).load("train").sha256
    assert set(record.versions) == {"python", "tensorflow", "keras", "numpy"}


def test_saved_model_computes_in_float32(trained: TrainingOutcome) -> None:
    """The saved model computes in float32, whatever the precision of the training."""
    assert {layer.dtype_policy.name for layer in load(trained).layers} == {"float32"}


def test_saved_model_has_only_what_inference_needs(trained: TrainingOutcome) -> None:
    """No layer of the saved model alters images at random, and it has no optimiser."""
    with h5py.File(trained.model_path) as file:
        assert set(file) == {"model_weights"}
        assert "training_config" not in file.attrs
    assert not any("random" in layer.name for layer in load(trained).layers)


def test_training_log_has_the_figures_of_each_epoch(trained: TrainingOutcome) -> None:
    """The log has a line for each epoch; that of the best epoch has the manifest's figures."""
    record = trained.record
    with trained.log_path.open(newline="") as file:
        lines = list(csv.DictReader(file))

    assert [line["epoch"] for line in lines] == ["1", "2", "3"]
    best = lines[record.best_epoch - 1]
    assert float(best["accuracy"]) == record.training_accuracy
    assert float(best["validation_accuracy"]) == record.validation_accuracy
    assert sum(float(line["duration_s"]) for line in lines) == pytest.approx(record.duration_s, abs=0.1)


def test_learning_curves_are_a_png(trained: TrainingOutcome) -> None:
    """The learning curves are drawn to a PNG file."""
    assert trained.curves_path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_same_seed_gives_same_weights(train: Train, trained: TrainingOutcome) -> None:
    """Two runs with the same seed give the same weights, bit for bit."""
    assert are_equal(train(), trained)


def test_other_seed_gives_other_weights(train: Train, trained: TrainingOutcome) -> None:
    """Another seed gives other weights."""
    assert not are_equal(train(seed=1), trained)


def test_resumed_run_ends_as_if_it_had_never_stopped(train: Train, trained: TrainingOutcome) -> None:
    """A run that is interrupted and resumed ends with the weights of one that is not."""
    train(augment=Epochs(interrupted=2))

    resumed = train(resume=True)

    assert resumed.record.epochs_run == 3
    assert are_equal(resumed, trained)


def test_resumed_run_finds_the_same_nonsense(train: Train, tmp_path: Path) -> None:
    """A recipe that searches for nonsense between epochs is resumed as if it had never stopped, too."""
    with computing_eagerly():
        whole = train(recipe="compact", teachers=(), dropout_rates=(), epochs=2, model_path=tmp_path / "whole.h5")
        train(recipe="compact", teachers=(), dropout_rates=(), epochs=2, augment=Epochs(interrupted=2))
        resumed = train(recipe="compact", teachers=(), dropout_rates=(), epochs=2, resume=True)

    assert resumed.record.epochs_run == 2
    assert are_equal(resumed, whole)


def test_each_epoch_has_the_images_in_another_order(train: Train) -> None:
    """The images are shuffled again for every epoch, and none is left out."""
    epochs: list[Images] = []

    def keep(images: Images, *_: object) -> Images:
        epochs.append(images)
        return images

    train(epochs=2, augment=keep)

    first, second = epochs
    assert not np.array_equal(first, second)
    assert sorted(image.tobytes() for image in first) == sorted(image.tobytes() for image in second)


def test_interrupted_run_keeps_the_best_epoch(train: Train, test_set: Split) -> None:
    """Ctrl-C ends a run with the model of its best epoch, even if later epochs made it worse."""
    outcome = train(epochs=12, augment=Epochs(misled=range(4, 9), interrupted=9))

    assert outcome.is_interrupted
    assert outcome.record.epochs_run == 8
    predicted = load(outcome)(test_set.images[..., np.newaxis]).numpy().argmax(axis=1)
    np.testing.assert_array_equal(predicted, test_set.labels)


def test_interrupt_before_the_first_epoch_keeps_nothing(train: Train) -> None:
    """Ctrl-C in the first epoch is an error, and no model is written."""
    with pytest.raises(TrainingError, match="interrupted before its first epoch was done; nothing was kept"):
        train(augment=Epochs(interrupted=1))

    assert not list(Path("models").iterdir())


def test_run_that_diverges_at_once_is_an_error(train: Train) -> None:
    """A loss that is not finite in the first epoch is an error."""
    with pytest.raises(TrainingError, match="diverged"):
        train(optimizer="sgd", learning_rate=1e38)


def test_resume_without_a_run_is_refused(train: Train) -> None:
    """Without a checkpoint there is no run to resume."""
    with pytest.raises(TrainingError, match="no run to resume"):
        train(resume=True)


def test_resume_of_another_configuration_is_refused(train: Train) -> None:
    """A run is not resumed at another learning rate than it was started with."""
    train(epochs=1)

    with pytest.raises(TrainingError, match=r"learning_rate \(then 0\.01, now 0\.02\)"):
        train(epochs=1, learning_rate=0.02, resume=True)


def test_training_again_discards_the_old_run(train: Train) -> None:
    """Unless resumed, an earlier run of the same model is discarded."""
    train(epochs=1)

    with pytest.raises(TrainingError, match="nothing was kept"):
        train(epochs=1, augment=Epochs(interrupted=1), force=True)

    assert not Path("runs/small/checkpoint.npz").exists()


def test_low_accuracy_ends_in_warnings(train: Train) -> None:
    """A model that has learnt nothing gives warnings, for both sets of images."""
    outcome = train(epochs=1, learning_rate=1e-9)

    assert [warning.split(":")[0] for warning in outcome.warnings] == [
        "LOW TRAINING ACCURACY",
        "LOW VALIDATION ACCURACY",
    ]


def test_good_accuracy_ends_in_no_warning(trained: TrainingOutcome) -> None:
    """A validation accuracy above its limit gives no warning."""
    assert not any("VALIDATION" in warning for warning in trained.warnings)


def test_model_is_named_after_its_recipe_by_default(train: Train) -> None:
    """Without a path, the model is written to models/ under the recipe's name."""
    assert train(epochs=1, recipe="tutorial").model_path == Path("models/tutorial.h5")


def test_nothing_temporary_is_left(trained: TrainingOutcome) -> None:
    """The model's folder has its manifest, learning curves and log, and nothing else."""
    names = sorted(path.name for path in trained.model_path.parent.iterdir())

    assert names == ["bands.h5", "bands.json", "bands_learning_curves.png", "bands_training_log.csv"]


@pytest.mark.parametrize(("height", "width", "classes"), [(5, 7, 2), (9, 4, 3)])
def test_other_data_is_trained_on_by_settings_alone(
    train: Train, tmp_path: Path, height: int, width: int, classes: int
) -> None:
    """Images of another size and another number of classes need only settings."""
    write_data_set(tmp_path / "own", height=height, width=width, classes=classes)

    outcome = train(
        data_dir=tmp_path / "own",
        image_height=height,
        image_width=width,
        class_names=tuple("abc"[:classes]),
        epochs=1,
    )

    assert load(outcome)(np.zeros((1, height, width, 1))).shape == (1, classes)


def test_more_data_than_there_is_is_refused(train: Train) -> None:
    """A number of images that exceeds the data set is refused."""
    with pytest.raises(SettingsError, match="FASHION_DATA_SIZE: there are 64 training images, not the 65 that are set"):
        train(data_size=65)


@pytest.mark.parametrize("name", ["model.keras", "model", "folder.h5"])
def test_path_that_no_model_can_have_is_refused(name: str, train: Train) -> None:
    """A path that does not end in .h5, or is a folder, is a wrong call that names the flag, before training."""
    Path("folder.h5").mkdir()
    with pytest.raises(FlagError, match=rf"--model-path: .*{name}"):
        train(model_path=Path(name))


@pytest.mark.parametrize(
    "place",
    ["file", "file/below", pytest.param("/proc", marks=pytest.mark.skipif(not Path("/proc").exists(), reason="none"))],
    ids=["a file", "below a file", "no disk"],
)
def test_place_that_cannot_be_written_is_named_before_training(place: str, train: Train, tmp_path: Path) -> None:
    """If the model cannot be written, the error names the file, and no epoch is lost."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(TrainingError, match=rf"{place}/model\.h5 cannot be written"):
        train(epochs=1, model_path=Path(place, "model.h5"))
    assert not (tmp_path / "runs").exists()


# What is there already


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.*")}


@pytest.mark.parametrize("name", ["bands.h5", "bands.json"])
@pytest.mark.parametrize("is_link", [False, True], ids=["file", "broken link"])
def test_model_that_is_there_is_not_overwritten(name: str, is_link: bool, train: Train, tmp_path: Path) -> None:  # noqa: FBT001  # a parameter of the test
    """Where a model or its manifest is, training ends before it begins, and names the file and the way out."""
    if is_link:
        (tmp_path / name).symlink_to("elsewhere")
    else:
        (tmp_path / name).write_bytes(b"content")
    with pytest.raises(TrainingError, match=rf"{name} is there already, and is not overwritten: .*--force"):
        train(model_path=tmp_path / "bands.h5")
    assert not Path("runs").exists()
    assert is_link or snapshot(tmp_path) == {name: b"content"}


def test_path_that_is_not_utf_8_has_a_model_too(train: Train, tmp_path: Path) -> None:
    """In the model's name, and where its manifest is named, bytes that are no UTF-8 are written out."""
    path = tmp_path / os.fsdecode(b"caf\xe9.h5")
    train(model_path=path, epochs=1)
    file = read_model_file(Settings(model_path=path))
    assert file.name == r"caf\udce9"
    assert r"caf\\udce9.json" in file.declared.model_dump_json()


def test_model_is_overwritten_by_force(train: Train, tmp_path: Path) -> None:
    """With `force`, the model that is there is replaced."""
    (tmp_path / "bands.h5").write_bytes(b"content")
    outcome = train(epochs=1, model_path=tmp_path / "bands.h5", force=True)
    assert sha256_hex((tmp_path / "bands.h5").read_bytes()) == outcome.manifest.sha256


def test_resumed_run_overwrites_its_own_model(train: Train) -> None:
    """The model that a run wrote when it was interrupted is replaced when it is resumed."""
    first = train(augment=Epochs(interrupted=2))
    resumed = train(resume=True)
    assert (first.model_path, resumed.record.epochs_run) == (resumed.model_path, 3)


def exchange(path: Path) -> None:
    path.write_bytes(b"another")


def evaluate_anew(path: Path) -> None:
    path.with_suffix(".json").write_bytes(b"{}")
    path.unlink()


@pytest.mark.parametrize("change", [exchange, evaluate_anew])
def test_resumed_run_does_not_overwrite_another_model(change: Callable[[Path], None], train: Train) -> None:
    """Where the model of an interrupted run was replaced by another, resuming the run does not overwrite it."""
    path = train(augment=Epochs(interrupted=2)).model_path
    change(path)
    before = snapshot(path.parent)
    with pytest.raises(TrainingError, match="is there already"):
        train(resume=True)
    assert snapshot(path.parent) == before


def test_run_of_another_folder_does_not_overwrite(train: Train, tmp_path: Path) -> None:
    """A run is resumed under the name of its model; a model of that name in another folder is not its own."""
    train(augment=Epochs(interrupted=2), model_path=tmp_path / "a" / "bands.h5")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bands.h5").write_bytes(b"another")
    with pytest.raises(TrainingError, match="is there already"):
        train(resume=True, model_path=tmp_path / "b" / "bands.h5")


def test_model_that_appears_during_the_run_is_not_overwritten(train: Train, tmp_path: Path) -> None:
    """Where another run has written the model meanwhile, this one keeps its checkpoint, and can write it by force."""
    path = tmp_path / "bands.h5"

    def write_meanwhile(images: Images, *_: object) -> Images:
        path.write_bytes(b"another")
        return images

    with pytest.raises(TrainingError, match=r"is there already.*--resume and --force"):
        train(epochs=1, model_path=path, augment=write_meanwhile)
    assert path.read_bytes() == b"another"
    train(epochs=1, model_path=path, resume=True, force=True)
    assert path.read_bytes() != b"another"
