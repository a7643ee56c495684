import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from fashion_api.errors import TrainingError
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.training.fit.distillation import ask_teachers, compute_digest, load_teachers, make_targets
from tests.fakes import fake_model
from tests.training.conftest import Train

if TYPE_CHECKING:  # at run time it would import TensorFlow, which one of these tests needs
    from fashion_api.training.fit.training import TrainingOutcome

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)


def load_fake(_: Path) -> LoadedModel:
    return fake_model()


def load(
    *, labels: tuple[str, ...] = FASHION_MNIST_LABELS, shape: tuple[int, int] = (28, 28)
) -> tuple[Classifier, ...]:
    return load_teachers([Path("teacher.h5")], labels, shape, load_teacher=load_fake)


@dataclass(frozen=True)
class Backwards:
    """Gives another classifier's answers in reverse order."""

    classifier: Classifier

    def classify(self, images: Images) -> Predictions:
        return Predictions(self.classifier.classify(images).probabilities[::-1])


def test_targets_are_the_labels_without_teachers() -> None:
    """Without teachers, the target is certainty of the label."""
    np.testing.assert_array_equal(make_targets(np.array([1, 0], np.uint8), 2), [[0, 1], [1, 0]])


def test_smoothing_spreads_a_share_over_all_classes() -> None:
    """The smoothing's share is spread evenly, and the rest is the label's."""
    np.testing.assert_allclose(make_targets(np.array([1], np.uint8), 2, smoothing=0.2), [[0.1, 0.9]], rtol=1e-6)


def test_teachers_give_their_mean_answer() -> None:
    """The answer of two teachers is the mean of theirs."""
    (teacher,) = load()

    answers = ask_teachers((teacher, Backwards(teacher)), IMAGES)

    plain = teacher.classify(IMAGES).probabilities
    np.testing.assert_allclose(answers, (plain + plain[::-1]) / 2, rtol=1e-6)


def test_teacher_of_other_classes_is_refused() -> None:
    """A teacher must have the classes of the run."""
    with pytest.raises(TrainingError, match="has other classes: T-shirt/top, Trouser"):
        load(labels=("left", "right"))


def test_teacher_of_images_of_another_size_is_refused() -> None:
    """A teacher must take images of the run's size."""
    with pytest.raises(TrainingError, match=r"teacher\.h5 takes images of 28×28 pixels"):
        load(shape=(8, 8))


def test_missing_teacher_is_named(tmp_path: Path) -> None:
    """A missing teacher ends the run before it starts."""
    with pytest.raises(TrainingError, match=r"the teacher .*gone\.h5 cannot be read: No such file"):
        compute_digest(tmp_path / "gone.h5")


@pytest.mark.tensorflow
def test_student_learns_from_teachers(train: Train, trained: "TrainingOutcome", tmp_path: Path) -> None:
    """A run with a teacher completes, and records the digest of the teacher's file."""
    teacher = Path(shutil.copy(trained.model_path, tmp_path))
    shutil.copy(trained.model_path.with_suffix(".json"), tmp_path)

    outcome = train(teachers=(teacher,), recipe="compact", dropout_rates=(), engine="keras")

    assert (outcome.record.recipe, outcome.record.epochs_run) == ("compact", 3)
    assert outcome.record.teachers == (trained.manifest.sha256,)
