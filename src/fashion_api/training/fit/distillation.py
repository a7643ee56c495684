"""The training targets: the labels, mixed with the answers of teachers if there are any.

Knowledge distillation: G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531; several teachers are an ensemble, whose mean
answer is used.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.errors import TrainingError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.images import Images
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.classification import classify_all
from fashion_api.training.synthetic.augmentation import Augmentation, list_views

logger = logging.getLogger(__name__)

_VIEWS_VERSION = 1
"""To be raised when `list_views` changes, so that cached soft labels of the old views are not used."""

Targets = npt.NDArray[np.float32]
"""float32[n, classes]: the probabilities that the network should give; each row sums to 1."""
LoadTeacher = Callable[[Path], LoadedModel]


@dataclass(frozen=True)
class Teacher:
    """The `.h5` of a teacher."""

    path: Path
    sha256: str


def find_teachers(paths: Iterable[Path]) -> tuple[Teacher, ...]:
    """Compute the digests of the teachers' files.

    Raises:
        TrainingError: a file cannot be read.
    """
    return tuple(Teacher(path, _compute_digest(path)) for path in paths)


def _compute_digest(path: Path) -> str:
    try:
        return sha256_hex(path.read_bytes())
    except OSError as error:
        raise TrainingError(
            f"the teacher {path} cannot be read: {error.strerror}; FASHION_TEACHERS names others, or none: []"
        ) from error


def make_targets(
    labels: npt.NDArray[np.uint8], classes: int, *, soft_labels: Targets | None = None, weight: float = 0.0
) -> Targets:
    """Encode class ids as probabilities, mixed with the soft labels, if there are any, by `weight`."""
    hard = np.eye(classes, dtype=np.float32)[labels]
    if soft_labels is None:
        return hard
    return (1 - weight) * hard + weight * soft_labels


def load_soft_labels(  # noqa: PLR0913  # teachers, images, and the cache
    teachers: Sequence[Teacher],
    images: Images,
    labels: Sequence[str],
    *,
    augmentation: Augmentation,
    cache_dir: Path,
    load_teacher: LoadTeacher,
) -> Targets | None:
    """Give the teachers' mean answer to each image, computed once and cached.

    Each teacher classifies every view of an image that `augmentation` makes likely. Its answer is the mean over the
    views, which is what the network should answer to each of them.

    Returns:
        float32[n, classes], or `None` if there are no teachers.

    Raises:
        TrainingError: a teacher has other classes, or takes images of another size; or the cache cannot be read or
            written.
        ModelError: a teacher cannot be loaded.
    """
    if not teachers:
        return None
    digests = sorted(teacher.sha256 for teacher in teachers)
    views = f"{_VIEWS_VERSION} {augmentation.is_flipped} {augmentation.max_shift}"
    key = sha256_hex("\n".join((*digests, sha256_hex(images.tobytes()), views)).encode())
    path = cache_dir / "soft-labels" / f"{key}.npy"
    cached = _read_cached(path, (len(images), len(labels)))
    if cached is not None:
        return cached
    answers = [_ask(teacher.path, load_teacher, images, labels, augmentation) for teacher in teachers]
    soft_labels: Targets = np.mean(answers, axis=0, dtype=np.float32)
    _write_cached(path, soft_labels)
    logger.info("soft labels of %d teacher(s): %s", len(answers), path)
    return soft_labels


def _read_cached(path: Path, shape: tuple[int, int]) -> Targets | None:
    """Read cached soft labels; `None` if there are none, or the file is broken."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TrainingError(f"the soft labels in {path} cannot be read: {error.strerror}") from error
    try:
        soft_labels: Targets = np.load(BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError):
        soft_labels = np.empty(0, np.float32)
    if soft_labels.shape == shape and soft_labels.dtype == np.float32:
        return soft_labels
    logger.warning("%s does not hold these soft labels; they are computed again", path)
    return None


def _write_cached(path: Path, soft_labels: Targets) -> None:
    content = BytesIO()
    np.save(content, soft_labels, allow_pickle=False)
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise TrainingError(f"the soft labels cannot be kept in {path.parent}: {error.strerror}") from error


def _ask(
    path: Path, load_teacher: LoadTeacher, images: Images, labels: Sequence[str], augmentation: Augmentation
) -> Targets:
    teacher = load_teacher(path)
    if tuple(labels) != teacher.labels:
        raise TrainingError(f"the teacher {path} has other classes: {', '.join(teacher.labels)}")
    if teacher.input.shape != images.shape[1:]:
        raise TrainingError(f"the teacher {path} takes images of {teacher.input.height}×{teacher.input.width} pixels")
    answers = [
        classify_all(teacher.classifier, view, description=f"asking {path.stem}").probabilities
        for view in list_views(images, augmentation)
    ]
    mean: Targets = np.mean(answers, axis=0, dtype=np.float32)
    return mean
