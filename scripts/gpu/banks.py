"""Altered articles and outliers, drawn beforehand by the project's own generators, in worker processes."""

import gzip
import math
import mmap
import multiprocessing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.training.synthetic.augmentation import Augmentation, augment
from fashion_api.training.synthetic.outlier_mixture import draw_training_outliers

Pixels = npt.NDArray[np.uint8]

_AUGMENTATION = Augmentation(is_flipped=True, max_shift=1 / 14, erased_share=0.25, captured_share=0.5)
_VALIDATION_SEED, _VALIDATION_IMAGES = 1708_07747, 5000  # as in `fashion_api.training.validation`
_PART = 2500  # images that a worker draws at once


@dataclass(frozen=True)
class Data:
    """The training images, uint8[n, 28, 28], their classes, uint8[n], and those held back for validation."""

    images: Pixels
    labels: Pixels
    validation_images: Pixels
    validation_labels: Pixels


@dataclass(frozen=True)
class Banks:
    """What training draws from."""

    articles: Pixels
    """uint8[epochs · n, 28, 28]: in each n of them, every training image once."""
    sources: npt.NDArray[np.int32]
    """int32[epochs · n]: of which training image each was made."""
    outliers: Pixels
    """uint8[m, 28, 28]"""


@dataclass(frozen=True)
class _Job:
    low: int
    high: int
    seed: tuple[int, ...]
    is_outliers: bool


def load_data(folder: Path, most: int | None) -> Data:
    """Read the training set's two IDX files, and split it as `fashion-api train` does; `most` shortens both parts."""
    images = _read(folder / "train-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)
    labels = _read(folder / "train-labels-idx1-ubyte.gz", 8)
    order = np.random.default_rng(_VALIDATION_SEED).permutation(len(images))
    held_back, kept = order[:_VALIDATION_IMAGES][:most], order[_VALIDATION_IMAGES:][:most]
    return Data(images[kept], labels[kept], images[held_back], labels[held_back])


def _read(path: Path, offset: int) -> Pixels:
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


def draw_banks(images: Pixels, *, epochs: int, outliers: int, seed: int, workers: int) -> Banks:
    """Draw every image `epochs` times and as many outliers; what is drawn does not depend on the number of workers.

    The processes are forked, so this has to come before the first use of the GPU.
    """
    count = len(images)
    orders = [np.random.default_rng((seed, epoch)).permutation(count) for epoch in range(epochs)]
    banks = Banks(
        articles=_share((epochs * count, *images.shape[1:])),
        sources=np.concatenate(orders).astype(np.int32),
        outliers=_share((outliers, *images.shape[1:])),
    )
    jobs = [
        _Job(low, min(low + _PART, total), (seed, low, is_outliers), is_outliers=is_outliers)
        for is_outliers, total in ((False, epochs * count), (True, outliers))
        for low in range(0, total, _PART)
    ]
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_draw, args=(banks, images, jobs[k::workers])) for k in range(workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise RuntimeError("a worker that draws images has failed")
    return banks


def _share(shape: tuple[int, ...]) -> Pixels:
    """Make an array in memory that forked processes share."""
    return np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)


def _draw(banks: Banks, images: Pixels, jobs: Sequence[_Job]) -> None:
    for job in jobs:
        rng, part = np.random.default_rng(job.seed), slice(job.low, job.high)
        if job.is_outliers:
            banks.outliers[part] = draw_training_outliers(job.high - job.low, articles=images, rng=rng)
        else:
            banks.articles[part] = augment(images[banks.sources[part]], _AUGMENTATION, rng)
