"""The training targets: the labels, mixed with the answers of teachers if there are any.

Knowledge distillation: G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531; several teachers are an ensemble, whose mean
answer is used. The teachers classify the very pixels that the network is shown, altered as those are (L. Beyer et al.,
arXiv:2106.05237).
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.errors import TrainingError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.arrays import Labels
from fashion_api.training.classification import classify_all

Targets = npt.NDArray[np.float32]
"""float32[n, classes]: the probabilities that the network should give; each row sums to 1."""
LoadTeacher = Callable[[Path], LoadedModel]


def compute_digest(path: Path) -> str:
    """Compute the digest of a teacher's file.

    Raises:
        TrainingError: it cannot be read.
    """
    try:
        return sha256_hex(path.read_bytes())
    except OSError as error:
        raise TrainingError(
            f"the teacher {path} cannot be read: {error.strerror}; FASHION_TEACHERS names others, or none: []"
        ) from error


def make_targets(labels: Labels, classes: int, *, smoothing: float = 0.0) -> Targets:
    """Encode class ids as probabilities, of which the share `smoothing` is spread evenly over all classes."""
    return (1 - smoothing) * np.eye(classes, dtype=np.float32)[labels] + np.float32(smoothing / classes)


def load_teachers(
    paths: Iterable[Path], labels: Sequence[str], shape: tuple[int, ...], *, load_teacher: LoadTeacher
) -> tuple[Classifier, ...]:
    """Load the teachers.

    Raises:
        TrainingError: a teacher has other classes, or takes images of another size.
        ModelError: a teacher cannot be loaded.
    """
    return tuple(_load(path, labels, shape, load_teacher) for path in paths)


def _load(path: Path, labels: Sequence[str], shape: tuple[int, ...], load_teacher: LoadTeacher) -> Classifier:
    teacher = load_teacher(path)
    if tuple(labels) != teacher.labels:
        raise TrainingError(f"the teacher {path} has other classes: {', '.join(teacher.labels)}")
    if teacher.input.shape != shape:
        colours = "grey" if teacher.input.channels == 1 else "colour"
        raise TrainingError(
            f"the teacher {path} takes images of {teacher.input.height}×{teacher.input.width} pixels, in {colours}"
        )
    return teacher.classifier


def ask_teachers(teachers: Sequence[Classifier], images: Images) -> Targets:
    """Give the mean answer of the teachers, at least one, to images."""
    answers = [classify_all(teacher, images).probabilities for teacher in teachers]
    mean: Targets = np.mean(answers, axis=0, dtype=np.float32)
    return mean
