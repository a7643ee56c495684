import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.loading import LoadedModel
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.fit.distillation import (
    LoadTeacher,
    Targets,
    Teacher,
    find_teachers,
    load_soft_labels,
    make_targets,
)
from fashion_api.training.synthetic.augmentation import Augmentation
from tests.fakes import fake_model
from tests.training.conftest import Train

if TYPE_CHECKING:  # at run time it would import TensorFlow, which one of these tests needs
    from fashion_api.training.fit.training import TrainingOutcome

TEACHER = Teacher(Path("teacher.h5"), "a" * 64)
IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)


def load_fake(_: Path) -> LoadedModel:
    return fake_model()


def refuse_to_load(path: Path) -> LoadedModel:
    raise AssertionError(f"{path} was loaded")


def ask(
    cache_dir: Path,
    *teachers: Teacher,
    images: Images = IMAGES,
    augmentation: Augmentation | None = None,
    load_teacher: LoadTeacher = load_fake,
    labels: tuple[str, ...] = FASHION_MNIST_LABELS,
) -> Targets:
    """The soft labels of some teachers, of one fake teacher by default."""
    soft_labels = load_soft_labels(
        teachers or (TEACHER,),
        images,
        labels,
        augmentation=augmentation or Augmentation(),
        cache_dir=cache_dir,
        load_teacher=load_teacher,
    )
    assert soft_labels is not None
    return soft_labels


def test_targets_are_the_labels_without_teachers() -> None:
    """Without teachers, the target is certainty of the label."""
    np.testing.assert_array_equal(make_targets(np.array([1, 0], np.uint8), 2), [[0, 1], [1, 0]])


def test_targets_lie_between_label_and_teacher() -> None:
    """The weight is the share of the teacher's answer in the target."""
    targets = make_targets(np.array([1], np.uint8), 2, soft_labels=np.array([[0.4, 0.6]], np.float32), weight=0.5)

    np.testing.assert_allclose(targets, [[0.2, 0.8]], rtol=1e-6)


def test_soft_labels_are_the_teachers_mean_answer(tmp_path: Path) -> None:
    """The soft labels of two teachers are the mean of their answers."""
    answers: dict[Path, npt.NDArray[np.float32]] = {}

    def load(path: Path) -> LoadedModel:
        model = fake_model()
        answers[path] = model.classifier.classify(IMAGES).probabilities
        return model

    teachers = (Teacher(Path("a.h5"), "a" * 64), Teacher(Path("b.h5"), "b" * 64))
    soft_labels = ask(tmp_path, *teachers, load_teacher=load)

    np.testing.assert_allclose(soft_labels, np.mean(list(answers.values()), axis=0))
    assert answers.keys() == {Path("a.h5"), Path("b.h5")}


def test_teacher_classifies_each_view(tmp_path: Path) -> None:
    """If the recipe mirrors its images, the teacher's answer is the mean of those to the image and its mirror image."""
    images = np.zeros((1, 28, 28), np.uint8)
    images[0, 0, 0], images[0, 0, -1] = 3, 7  # the fake's class for the image, and for its mirror image

    plain = ask(tmp_path, images=images)
    mirrored = ask(tmp_path, images=images, augmentation=Augmentation(is_flipped=True))

    np.testing.assert_allclose(plain[0, [3, 7]], [0.91, 0.01])
    np.testing.assert_allclose(mirrored[0, [3, 7]], [0.46, 0.46])


def test_soft_labels_are_computed_once(tmp_path: Path) -> None:
    """For the same images and teachers, cached soft labels are used and no teacher is loaded."""
    first = ask(tmp_path)

    np.testing.assert_array_equal(ask(tmp_path, load_teacher=refuse_to_load), first)


def test_soft_labels_of_other_images_are_others(tmp_path: Path) -> None:
    """The cached soft labels of some images are not used for others."""
    ask(tmp_path)

    assert len(ask(tmp_path, images=IMAGES[:2])) == 2


@pytest.mark.parametrize("content", [b"", b"no array"], ids=["empty", "other"])
def test_broken_soft_labels_are_computed_again(tmp_path: Path, content: bytes) -> None:
    """A broken file in the cache is replaced."""
    first = ask(tmp_path)
    (cached,) = tmp_path.glob("soft-labels/*.npy")
    whole = cached.read_bytes()
    cached.write_bytes(content)

    np.testing.assert_array_equal(ask(tmp_path), first)
    assert cached.read_bytes() == whole


def test_cache_that_is_no_folder_is_named(tmp_path: Path) -> None:
    """If soft labels cannot be cached, the run ends before it starts."""
    (tmp_path / "soft-labels").write_text("a file")

    with pytest.raises(TrainingError, match=r"soft-labels.*cannot be read: Not a directory"):
        ask(tmp_path)


def test_teacher_of_other_classes_is_refused(tmp_path: Path) -> None:
    """A teacher must have the classes of the run."""
    with pytest.raises(TrainingError, match="has other classes: T-shirt/top, Trouser"):
        ask(tmp_path, labels=("left", "right"))


def test_teacher_of_images_of_another_size_is_refused(tmp_path: Path) -> None:
    """A teacher must take images of the run's size."""
    with pytest.raises(TrainingError, match=r"teacher\.h5 takes images of 28×28 pixels"):
        ask(tmp_path, images=np.zeros((1, 8, 8), np.uint8))


def test_missing_teacher_is_named(tmp_path: Path) -> None:
    """A missing teacher ends the run before it starts."""
    with pytest.raises(TrainingError, match=r"the teacher .*gone\.h5 cannot be read: No such file"):
        find_teachers([tmp_path / "gone.h5"])


@pytest.mark.tensorflow
def test_student_learns_from_teachers(train: Train, trained: "TrainingOutcome", tmp_path: Path) -> None:
    """A run with a teacher completes, caches the teacher's answers, and records the digest of the teacher's file."""
    teacher = Path(shutil.copy(trained.model_path, tmp_path))
    shutil.copy(trained.model_path.with_suffix(".json"), tmp_path)

    outcome = train(teachers=(teacher,), recipe="compact", dropout_rates=(), cache_dir=tmp_path)

    assert (outcome.record.recipe, outcome.record.epochs_run) == ("compact", 3)
    assert outcome.record.teachers == (trained.manifest.sha256,)
    (cached,) = tmp_path.glob("soft-labels/*.npy")
    assert np.load(cached).shape == (outcome.record.training_images, len(trained.manifest.labels))
