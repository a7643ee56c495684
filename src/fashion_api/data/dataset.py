"""The labelled data set: where it is found, how it is verified, what it holds.

It is Fashion-MNIST, or another data set in files of the same names.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt

from fashion_api.data.fashion_mnist import FASHION_MNIST_SHA256, FASHION_MNIST_SHAPE
from fashion_api.data.idx import decompress, locate_idx, parse_idx, read_stored
from fashion_api.errors import DataError, DataNotFoundError, UnknownTestImageError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.settings import FASHION_MNIST_LABELS, Settings

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]

FILES: Mapping[SplitName, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The IDX files of each split: its images and their labels."""

_CHECKSUM_FILE = "SHA256SUMS"


@dataclass(frozen=True)
class Split:
    """The training or the test images, with the class of each."""

    images: Images
    """uint8[n, height, width], read-only."""
    labels: npt.NDArray[np.uint8]
    """uint8[n]: class ids, read-only."""
    sha256: str
    """Of the two uncompressed files, images first."""

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def check_index(self, index: int) -> int:
        """Give `index` back if an image has it.

        Raises:
            UnknownTestImageError: none has.
        """
        if not 0 <= index < len(self):
            shown = str(index) if abs(index) < 10**12 else "so large"
            raise UnknownTestImageError(
                f"there is no test image {shown}: the {len(self)} test images have the indices 0 to {len(self) - 1}"
            )
        return index


@dataclass(frozen=True)
class DataSource:
    """Where a data set may be, and what its files must be."""

    directories: tuple[Path, ...]
    """Searched in this order."""
    labels: tuple[str, ...]
    shape: tuple[int, ...]
    """Height and width of an image; of one in colour, its channels too."""
    digests: Mapping[str, str] | None
    """SHA-256 of each uncompressed file; `None` for another data set, whose own SHA256SUMS is checked if it has one."""

    @classmethod
    def from_settings(
        cls, settings: Settings, *, labels: tuple[str, ...] | None = None, shape: tuple[int, ...] | None = None
    ) -> Self:
        """List the places of the settings' data set; `labels` and `shape` are a model's, where it has its own.

        Where `FASHION_DATA_DIR` is set, it is the only place. With other class names or another image size than
        Fashion-MNIST's, it holds another data set.
        """
        labels = labels or settings.class_names
        shape = shape or (settings.image_height, settings.image_width)
        if settings.data_dir is not None:
            is_fashion_mnist = labels == FASHION_MNIST_LABELS and shape == FASHION_MNIST_SHAPE
            return cls((settings.data_dir,), labels, shape, FASHION_MNIST_SHA256 if is_fashion_mnist else None)
        usual = (
            download_directory(settings.cache_dir),
            Path.home() / ".keras" / "datasets" / "fashion-mnist",
            Path("/usr/share/datasets/fashion-mnist"),
        )
        return cls(usual, labels, shape, FASHION_MNIST_SHA256)

    def find(self, split: SplitName) -> Path:
        """Give the first directory that holds both files of a split.

        Raises:
            DataNotFoundError: none does; the message says how to get the data set.
        """
        for directory in self.directories:
            if all(locate_idx(directory, name) for name in FILES[split]):
                return directory
        places = ", ".join(map(str, self.directories))
        way_out = "put its IDX files there" if self.digests is None else "get them with `fashion-api data fetch`"
        raise DataNotFoundError(
            f"no {split} images of the data set in {places}; {way_out}, or set FASHION_DATA_DIR to where they are"
        )

    def load(self, split: SplitName) -> Split:
        """Find, verify and read the training or the test images.

        Raises:
            DataNotFoundError: they were not found.
            DataError: a file is altered, broken, or does not fit the labels or the image size.
        """
        directory = self.find(split)
        images_name, labels_name = FILES[split]
        images_raw, labels_raw = (self._read_verified(directory, name) for name in FILES[split])
        images = parse_idx(images_raw, dimensions=3, name=images_name)
        labels = parse_idx(labels_raw, dimensions=1, name=labels_name)
        if images.shape[1:] != self.shape:
            found, expected = ("×".join(map(str, shape)) for shape in (images.shape[1:], self.shape))
            raise DataError(
                f"the images in {directory} are {found} pixels, not {expected}: "
                "set FASHION_IMAGE_HEIGHT and FASHION_IMAGE_WIDTH to their size"
            )
        if len(images) != len(labels) or len(images) == 0:
            raise DataError(f"{directory} holds {len(images)} {split} images, but {len(labels)} labels")
        if labels.max() >= len(self.labels):
            raise DataError(
                f"{directory} has a class {labels.max()}, but there are only {len(self.labels)} class names: "
                "set FASHION_CLASS_NAMES"
            )
        return Split(images, labels, sha256_hex(images_raw, labels_raw))

    def _read_verified(self, directory: Path, name: str) -> bytes:
        path = locate_idx(directory, name)
        if path is None:  # it was there a moment ago
            raise DataNotFoundError(f"{directory / name} is gone")
        stored = read_stored(path)
        if self.digests is None:
            _verify_stored(path, stored)
            return decompress(stored, name=str(path))
        content = decompress(stored, name=str(path))
        if sha256_hex(content) != self.digests[name]:
            raise DataError(
                f"{path} is not the file that was published as Fashion-MNIST (its SHA-256 differs): remove it and "
                "fetch it again; for a data set of your own, set FASHION_CLASS_NAMES to its classes"
            )
        return content


def download_directory(cache_dir: Path) -> Path:
    """Where downloads of the data set are kept."""
    return cache_dir / "fashion-mnist"


def _verify_stored(path: Path, stored: bytes) -> None:
    """Compare a file with the SHA256SUMS beside it, as `sha256sum` writes it."""
    sums_path = path.parent / _CHECKSUM_FILE
    if not sums_path.is_file():
        logger.warning("%s has no %s beside it: it is read unverified", path, _CHECKSUM_FILE)
        return
    rows = (line.split(maxsplit=1) for line in read_stored(sums_path).decode(errors="replace").splitlines())
    sums = {row[1].lstrip("*"): row[0].lower() for row in rows if len(row) == 2}  # noqa: PLR2004  # digest and name
    if sums.get(path.name) != sha256_hex(stored):
        raise DataError(f"{path} does not have the SHA-256 that {sums_path} gives for it")
