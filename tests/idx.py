"""Small data sets in the IDX format."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import FILES, SplitName


def encode_idx(array: npt.NDArray[np.uint8]) -> bytes:
    """An IDX file of unsigned bytes."""
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_split(
    directory: Path,
    split: SplitName,
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    *,
    compress: bool = True,
) -> None:
    """Write a split's two files, as `.gz` or as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, array in zip(FILES[split], (images, labels), strict=True):
        content = encode_idx(array)
        path = directory / (f"{name}.gz" if compress else name)
        path.write_bytes(gzip.compress(content) if compress else content)


def write_small_data_set(directory: Path, *, size: int = 6, height: int = 4, width: int = 5, classes: int = 2) -> None:
    """Write both splits of a made-up data set; image i shows class i % classes."""
    rng = np.random.default_rng(0)
    for split in FILES:
        images = rng.integers(0, 256, (size, height, width), dtype=np.uint8)
        write_split(directory, split, images, (np.arange(size) % classes).astype(np.uint8))
