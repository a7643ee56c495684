"""IDX files, the format of the MNIST family of data sets, plain or gzipped.

The format is described at http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from fashion_api.errors import DataError
from fashion_api.images import Images


def locate_idx(directory: Path, name: str) -> Path | None:
    """Find `name.gz` or `name` in a directory; `None` where neither is a file."""
    candidates = (directory / f"{name}.gz", directory / name)
    return next((path for path in candidates if path.is_file()), None)


def read_stored(path: Path) -> bytes:
    """Read a file as it is stored.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def decompress(stored: bytes, *, name: str) -> bytes:
    """Decompress the content of the file or address `name` where that ends in `.gz`; give back any other as it is.

    Raises:
        DataError: it is not a whole gzip file.
    """
    if not name.endswith(".gz"):
        return stored
    try:
        return gzip.decompress(stored)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name} is not a whole gzip file") from error


def read_shape(content: bytes) -> tuple[int, ...]:
    """Give the sizes in the header of an IDX file of unsigned bytes; none for any other content."""
    unsigned_byte = 0x08
    dimensions = content[3] if content[:3] == bytes([0, 0, unsigned_byte]) and len(content) > 3 else 0  # noqa: PLR2004  # where it is
    if len(content) < 4 + 4 * dimensions:
        return ()
    return tuple(int(size) for size in np.frombuffer(content, ">u4", count=dimensions, offset=4)) if dimensions else ()


def parse_idx(content: bytes, *, dimensions: int, name: str) -> Images:
    """Read an IDX file of unsigned bytes: a magic number, a 32-bit size for each dimension, the values in C order.

    Returns:
        A read-only view of `content`, uint8 with `dimensions` dimensions.

    Raises:
        DataError: it is not such a file, or is longer or shorter than its header says.
    """
    header_bytes = 4 + 4 * dimensions
    shape = read_shape(content)
    if len(shape) != dimensions:
        raise DataError(f"{name} is not an IDX file of unsigned bytes in {dimensions} dimension(s)")
    if len(content) != header_bytes + math.prod(shape):
        raise DataError(f"{name} holds {len(content) - header_bytes} values, but its header says {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)
