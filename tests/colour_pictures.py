"""A small data set in colour, whose classes a network learns in moments: folders of pictures, or arrays."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

CLASSES = ("daisy", "poppy", "violet")
"""In the order of their names, as the folders' are."""
_COLOURS = {"daisy": (235, 225, 120), "poppy": (210, 40, 30), "violet": (110, 50, 200)}


def draw_flower(name: str, rng: np.random.Generator, *, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Draw a disc of the class's colour on a green ground with noise: uint8[height, width, 3]."""
    rows, columns = np.mgrid[:height, :width]
    y, x = rng.uniform(0.4, 0.6, 2) * (height, width)
    is_flower = np.hypot((rows - y) / height, (columns - x) / width) < rng.uniform(0.3, 0.45)
    ground = np.array((40, 110, 40)) + rng.normal(0, 15, (height, width, 3))
    flower = np.array(_COLOURS[name]) + rng.normal(0, 15, (height, width, 3))
    return np.clip(np.where(is_flower[..., np.newaxis], flower, ground), 0, 255).astype(np.uint8)


def draw_flowers(
    count: int, *, seed: int, height: int = 8, width: int = 8
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw so many flowers, one class after the other: uint8[count, height, width, 3], and their classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    images = [draw_flower(CLASSES[label], rng, height=height, width=width) for label in labels.tolist()]
    return np.stack(images), labels


def write_folders(directory: Path, counts: dict[str, int], *, height: int = 8, width: int = 8) -> None:
    """Write flowers into folders, by split; the split "" is the directory itself. Most are PNG, one in four a JPEG."""
    for seed, (split, count) in enumerate(counts.items()):
        images, labels = draw_flowers(count, seed=seed, height=height, width=width)
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            folder = directory / split / CLASSES[label]
            folder.mkdir(parents=True, exist_ok=True)
            name = f"{number}.jpg" if number % 4 == 0 else f"{number}.png"
            Image.fromarray(image).save(folder / name, quality=95)


def write_npz(path: Path, counts: dict[str, int], *, height: int = 8, width: int = 8) -> None:
    """Write flowers as `keras.datasets` keeps images; `counts` by split."""
    np.savez(path, allow_pickle=False, **dict(_name_arrays(counts, height, width)))


def _name_arrays(counts: dict[str, int], height: int, width: int) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    for seed, (split, count) in enumerate(counts.items()):
        images, labels = draw_flowers(count, seed=seed, height=height, width=width)
        yield f"x_{split}", images
        yield f"y_{split}", labels.astype(np.uint8)[:, np.newaxis]
