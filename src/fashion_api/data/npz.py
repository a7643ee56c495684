"""NumPy's `.npz`, with the names that `keras.datasets` gives its arrays: `x_train`, `y_train`, `x_test`, `y_test`."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fashion_api.errors import DataError
from fashion_api.images import Images

MAX_BYTES = 4 << 30
"""The largest array that is read."""
_MAX_HEADER = 10_000  # characters, NumPy's own limit

Labels = npt.NDArray[np.integer]


def read_npz(path: Path, *, split: str) -> tuple[Images, Labels]:
    """Read the images and the labels of a split, `train` or `test`.

    No array is read before its header says that it is one of numbers, and no longer than what the file holds.

    Returns:
        uint8[n, h, w], uint8[n, h, w, 1] or uint8[n, h, w, 3], and whole numbers [n].

    Raises:
        DataError: the file cannot be read, lacks an array, or has one of another type or shape.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            images = _read_array(archive, path, f"x_{split}")
            labels = _read_array(archive, path, f"y_{split}")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{path} is not a whole .npz file") from error
    if images.dtype != np.uint8:
        raise DataError(f"{path}: x_{split} holds {images.dtype}; pixels must be whole numbers 0–255, of type uint8")
    if labels.shape == (len(labels), 1):
        labels = labels[:, 0]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(
            f"{path}: y_{split} holds {labels.dtype} of the shape {labels.shape}; there must be one whole number for "
            "each image, its class from 0"
        )
    return images, labels


def _read_array(archive: zipfile.ZipFile, path: Path, name: str) -> npt.NDArray[Any]:
    try:
        member = archive.getinfo(f"{name}.npy")
    except KeyError:
        found = ", ".join(sorted(entry.removesuffix(".npy") for entry in archive.namelist())[:8])
        raise DataError(
            f"{path} has no array {name}: x_train, y_train, x_test and y_test are read, and it has {found or 'none'}"
        ) from None
    with archive.open(member) as file:
        _check_header(file, member.file_size, f"{path}: {name}")
    with archive.open(member) as file:
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False, max_header_size=_MAX_HEADER)
    return array


def _check_header(file: IO[bytes], stored_bytes: int, name: str) -> None:
    """Check what the header of an array says, before memory is taken for it."""
    try:
        np.lib.format.read_magic(file)
        # The other versions are for longer headers than are read, and their length is not bounded.
        shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
    except ValueError as error:
        raise DataError(f"{name} is not an array of numbers as NumPy writes it") from error
    if dtype.hasobject or not shape:
        raise DataError(f"{name} holds {dtype} of the shape {shape}, and no list of numbers")
    size = math.prod(shape) * dtype.itemsize
    if size > MAX_BYTES or size > stored_bytes:
        why = f"but {stored_bytes} are there" if size > stored_bytes else f"and up to {MAX_BYTES} are read"
        raise DataError(f"{name} has {size} bytes by its header, {why}")
