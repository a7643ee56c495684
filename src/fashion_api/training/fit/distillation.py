"""What the training targets are: the labels, or between them and what teachers answer.

Knowledge distillation: G. Hinton, O. Vinyals, J. Dean, arXiv:1503.02531; several teachers are an ensemble, whose mean
answer is taken.
"""

import logging
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.errors import TrainingError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.images import Images
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.settings import TrainingSettings
from fashion_api.training.evaluate.classification import classify_all
from fashion_api.training.fit.augmentation import Augmentation, list_views

logger = logging.getLogger(__name__)

_VIEWS_VERSION = 1
"""Counted up when `list_views` gives others, so that soft labels kept before are not taken."""

Targets = npt.NDArray[np.float32]
"""float32[n, classes]: the probabilities that the network is to give; each row sums to 1."""


def make_targets(
    labels: npt.NDArray[np.uint8], classes: int, *, soft_labels: Targets | None = None, weight: float = 0.0
) -> Targets:
    """Write class ids as probabilities, of which the share `weight` is the teachers', where there are teachers."""
    hard = np.eye(classes, dtype=np.float32)[labels]
    if soft_labels is None:
        return hard
    return (1 - weight) * hard + weight * soft_labels


def load_soft_labels(
    teachers: Sequence[Path],
    images: Images,
    settings: TrainingSettings,
    labels: Sequence[str],
    *,
    augmentation: Augmentation,
) -> Targets | None:
    """Give the mean answer of the teachers to each image; computed once and kept in the cache.

    Each teacher is asked of the image as it is, mirrored and moved, as far as `augmentation` does that to it: what the
    network is to answer to all of these is what a teacher answers to them on average.

    Returns:
        float32[n, classes], or `None` where there are no teachers.

    Raises:
        TrainingError: a teacher has other classes, or takes images of another size; or the cache cannot be read or
            written.
        ModelError: a teacher cannot be loaded.
    """
    if not teachers:
        return None
    digests = [describe_teacher(path) for path in teachers]
    views = f"{_VIEWS_VERSION} {augmentation.is_flipped} {augmentation.max_shift}"
    key = sha256_hex("\n".join((*sorted(digests), sha256_hex(images.tobytes()), views)).encode())
    path = settings.cache_dir / "soft-labels" / f"{key}.npy"
    cached = _read_cached(path, (len(images), len(labels)))
    if cached is not None:
        return cached
    answers = [_ask(teacher, images, settings, labels, augmentation) for teacher in teachers]
    soft_labels: Targets = np.mean(answers, axis=0, dtype=np.float32)
    content = BytesIO()
    np.save(content, soft_labels, allow_pickle=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
    except OSError as error:
        raise TrainingError(f"the soft labels cannot be kept in {path.parent}: {error.strerror}") from error
    logger.info("soft labels of %d teacher(s): %s", len(answers), path)
    return soft_labels


def _read_cached(path: Path, shape: tuple[int, int]) -> Targets | None:
    """Read soft labels that were kept; `None` where there are none, or what is there is broken."""
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
    logger.warning("%s holds no such soft labels, and is computed anew", path)
    return None


def describe_teacher(path: Path) -> str:
    """Give the SHA-256 of a teacher's `.h5`.

    Raises:
        TrainingError: it cannot be read.
    """
    try:
        return sha256_hex(path.read_bytes())
    except OSError as error:
        raise TrainingError(
            f"the teacher {path} cannot be read: {error.strerror}; FASHION_TEACHERS names others, or none: []"
        ) from error


def _ask(
    path: Path, images: Images, settings: TrainingSettings, labels: Sequence[str], augmentation: Augmentation
) -> Targets:
    teacher = load_model(settings.model_copy(update={"model_path": path}))
    _check_fit(path, teacher, images, labels)
    answers = [
        classify_all(teacher.classifier, view, description=f"asking {path.stem}").probabilities
        for view in list_views(images, augmentation)
    ]
    mean: Targets = np.mean(answers, axis=0, dtype=np.float32)
    return mean


def _check_fit(path: Path, teacher: LoadedModel, images: Images, labels: Sequence[str]) -> None:
    if tuple(labels) != teacher.labels:
        raise TrainingError(f"the teacher {path} has other classes: {', '.join(teacher.labels)}")
    size = (teacher.input.height, teacher.input.width)
    if size != images.shape[1:]:
        raise TrainingError(f"the teacher {path} takes images of {size[0]}×{size[1]} pixels")
