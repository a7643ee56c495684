import shutil
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.errors import TrainingError
from fashion_api.settings import FASHION_MNIST_LABELS, TrainingSettings
from fashion_api.training.fit.augmentation import Augmentation
from fashion_api.training.fit.distillation import load_soft_labels, make_targets
from fashion_api.training.fit.training import TrainingOutcome
from tests.fakes import model_loader
from tests.training.conftest import LABELS, Train, make_settings


def test_targets_are_the_labels_without_teachers() -> None:
    """Without teachers, the target is certainty of the label."""
    np.testing.assert_array_equal(make_targets(np.array([1, 0], np.uint8), 2), [[0, 1], [1, 0]])


def test_targets_lie_between_label_and_teacher() -> None:
    """The weight says how much of the target is the teacher's answer."""
    targets = make_targets(np.array([1], np.uint8), 2, soft_labels=np.array([[0.4, 0.6]], np.float32), weight=0.5)

    np.testing.assert_allclose(targets, [[0.2, 0.8]], rtol=1e-6)


def test_soft_labels_are_the_teachers_mean_answer(trained: TrainingOutcome, test_set: Split, tmp_path: Path) -> None:
    """A model that is its own two teachers answers what it would alone, a probability for each class."""
    settings = make_settings(tmp_path, cache_dir=tmp_path)

    soft_labels = load_soft_labels(
        (trained.model_path, trained.model_path), test_set.images, settings, LABELS, augmentation=Augmentation()
    )

    assert soft_labels is not None
    np.testing.assert_array_equal(soft_labels.argmax(axis=1), test_set.labels)
    np.testing.assert_allclose(soft_labels.sum(axis=1), 1, rtol=1e-5)


def test_teacher_is_asked_of_each_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the recipe mirrors its images, the teacher's answer is the mean of those to the image and its mirror."""
    monkeypatch.setattr("fashion_api.training.fit.distillation.load_model", model_loader())
    teachers = (tmp_path / "teacher.h5",)
    teachers[0].write_bytes(b"a teacher")
    settings = TrainingSettings(cache_dir=tmp_path)
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 0, 0], images[0, 0, -1] = 3, 7  # which the fake takes for its class, seen this way and that

    plain = load_soft_labels(teachers, images, settings, FASHION_MNIST_LABELS, augmentation=Augmentation())
    mirrored = load_soft_labels(
        teachers, images, settings, FASHION_MNIST_LABELS, augmentation=Augmentation(is_flipped=True)
    )

    assert plain is not None
    assert mirrored is not None
    np.testing.assert_allclose(plain[0, [3, 7]], [0.91, 0.01])
    np.testing.assert_allclose(mirrored[0, [3, 7]], [0.46, 0.46])


def test_soft_labels_are_computed_once(
    trained: TrainingOutcome, test_set: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked again for the same images of the same teachers, nothing is loaded any more."""
    settings = make_settings(tmp_path, cache_dir=tmp_path)
    first = load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())

    def refuse(_: object) -> None:
        pytest.fail("a teacher was loaded again")

    monkeypatch.setattr("fashion_api.training.fit.distillation.load_model", refuse)
    second = load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())

    np.testing.assert_array_equal(first, second)


def test_soft_labels_of_other_images_are_others(trained: TrainingOutcome, test_set: Split, tmp_path: Path) -> None:
    """What was kept for some images is not taken for others."""
    settings = make_settings(tmp_path, cache_dir=tmp_path)
    load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())

    other = load_soft_labels((trained.model_path,), test_set.images[:5], settings, LABELS, augmentation=Augmentation())

    assert other is not None
    assert len(other) == 5


@pytest.mark.parametrize("content", [b"", b"no array"], ids=["empty", "other"])
def test_broken_soft_labels_are_computed_anew(
    trained: TrainingOutcome, test_set: Split, tmp_path: Path, content: bytes
) -> None:
    """What was kept and is broken is replaced."""
    settings = make_settings(tmp_path, cache_dir=tmp_path)
    first = load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())
    (kept,) = tmp_path.glob("soft-labels/*.npy")
    whole = kept.read_bytes()
    kept.write_bytes(content)

    second = load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())

    np.testing.assert_array_equal(first, second)
    assert kept.read_bytes() == whole


def test_cache_that_is_no_folder_is_named(trained: TrainingOutcome, test_set: Split, tmp_path: Path) -> None:
    """Soft labels that cannot be kept end the run before it starts."""
    (tmp_path / "soft-labels").write_text("a file")
    settings = make_settings(tmp_path, cache_dir=tmp_path)

    with pytest.raises(TrainingError, match=r"soft-labels.*cannot be read: Not a directory"):
        load_soft_labels((trained.model_path,), test_set.images, settings, LABELS, augmentation=Augmentation())


def test_teacher_of_other_classes_is_refused(trained: TrainingOutcome, test_set: Split, tmp_path: Path) -> None:
    """A teacher has to answer with the classes that are trained for."""
    settings = make_settings(tmp_path, cache_dir=tmp_path, class_names=("a", "b"))
    settings = settings.model_copy(update={"class_names": LABELS})

    with pytest.raises(TrainingError, match="has other classes: top, bottom"):
        load_soft_labels(
            (trained.model_path,), test_set.images, settings, ("left", "right"), augmentation=Augmentation()
        )


def test_missing_teacher_is_named(train: Train, tmp_path: Path) -> None:
    """A teacher that is not there ends the run before it starts."""
    with pytest.raises(TrainingError, match=r"the teacher .*gone\.h5 cannot be read: No such file"):
        train(teachers=(tmp_path / "gone.h5",), recipe="compact", dropout_rates=())


def test_student_learns_from_teachers(train: Train, trained: TrainingOutcome, tmp_path: Path) -> None:
    """A run with a teacher ends, and its record says of which file the teacher was."""
    teacher = Path(shutil.copy(trained.model_path, tmp_path))
    shutil.copy(trained.model_path.with_suffix(".json"), tmp_path)

    outcome = train(teachers=(teacher,), recipe="compact", dropout_rates=(), cache_dir=tmp_path)

    assert outcome.record.recipe == "compact"
    assert outcome.record.epochs_run == 3
    assert outcome.record.teachers == (trained.manifest.sha256,)
