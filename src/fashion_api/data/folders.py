"""Folders of pictures, whose names are the classes: `DIR/train/CLASS/*.png` and `DIR/test/CLASS/*.png`.

Of `DIR/CLASS/*.png`, which is not divided, a fixed fifth of each class is held back as the test images.
"""

import logging
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from fashion_api.data.checksums import Checksums
from fashion_api.data.npz import MAX_BYTES
from fashion_api.errors import DataError, ImageError
from fashion_api.files import read_file, sha256_hex, write_as_text
from fashion_api.images import Images

logger = logging.getLogger(__name__)

_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"))
_MAX_FILE_BYTES = 64 << 20
_TEST_SHARE = 0.2
_SEED = 0
_FEWEST = 2
"""Classes of a data set, and pictures of a class of which one is held back."""


class PictureReader(Protocol):
    """Reads picture files, upright."""

    def measure(self, content: bytes) -> tuple[int, ...]:
        """Give the shape of a picture, by its header: (height, width), or (height, width, 3) of one in colour.

        Raises:
            ImageError: it is no picture that is read.
        """
        ...

    def read(self, content: bytes, shape: tuple[int, ...]) -> Images:
        """Read a picture as uint8 of this shape, resized where it has another size.

        Raises:
            ImageError: it is no picture that is read.
        """
        ...


class FolderImages(NamedTuple):
    """What a split of folders of pictures holds."""

    images: Images
    """uint8[n, h, w] or uint8[n, h, w, 3]."""
    labels: npt.NDArray[np.uint16]
    names: tuple[str, ...]
    """Of the classes, in the order of their ids."""
    sha256: str
    """Of all names and contents."""


class Folders:
    """The pictures of a data set, by split and class; its folders are looked at, and no picture is read.

    Raises:
        DataError: a folder cannot be read, a class has no pictures, or there is one class alone.
    """

    def __init__(self, directory: Path, *, names: Sequence[str] | None = None) -> None:
        """List the classes of a directory; `names` gives their order, and there may be no others."""
        self._directory = directory
        self._is_divided = has_splits(directory)
        found = list_classes(directory / "train") or list_classes(directory / "test" if self._is_divided else directory)
        self.names = tuple(found if names is None else names)
        """The names of the classes, in the order of their ids."""
        if unwritable := [name for name in self.names if write_as_text(name) != name]:
            raise DataError(f"{directory} has the class {unwritable[0]!r}, a name that is not UTF-8: rename its folder")
        if len(self.names) < _FEWEST:
            raise DataError(f"{directory} has the class {''.join(found)!r} alone; two or more are needed")

    def list_pictures(self, split: str) -> list[tuple[Path, int]]:
        """List the pictures of a split, each with the id of its class, in an order that mixes the classes.

        Raises:
            DataError: there are folders with other names than the classes', or without pictures.
        """
        root = self._directory / split if self._is_divided else self._directory
        by_class = {name: _list_pictures(root / name) for name in list_classes(root)}
        ids = {name: number for number, name in enumerate(self.names)}
        if strange := sorted(set(by_class) - set(ids)):
            raise DataError(
                f"{root / strange[0]} is of no class: they are {', '.join(self.names)}; rename or remove it, or set "
                "FASHION_CLASS_NAMES"
            )
        missing = sorted(set(ids) - set(by_class)) if split == "train" else []
        if empty := [*missing, *(name for name, paths in by_class.items() if not paths)]:
            raise DataError(f"{root / empty[0]} has no pictures ({', '.join(sorted(_SUFFIXES))})")
        if not self._is_divided:
            logger.info(
                "%s has no folders train and test: a fifth of each class, always the same, is held back as test images",
                self._directory,
            )
            by_class = _hold_back(by_class, split)
        pictures = [(path, ids[name]) for name, paths in by_class.items() for path in paths]
        random.Random(_SEED).shuffle(pictures)  # noqa: S311  # no secret
        return pictures

    def load(
        self, split: str, reader: PictureReader, *, height: int | None, width: int | None, channels: int | None
    ) -> FolderImages:
        """Read the pictures of a split.

        Args:
            split: `train` or `test`.
            reader: reads each picture.
            height: of an image; `None`: that of the pictures, which all must have.
            width: the same.
            channels: 1 for grey images, 3 for colour; `None`: colour, where any picture has it.

        Raises:
            DataError: a picture cannot be read, they differ in size, or are too many for the memory.
        """
        pictures = self.list_pictures(split)
        if None in (height, width, channels):
            found = self._measure([path for path, _ in pictures], reader, needs_size=None in (height, width))
            height, width = height or found[0], width or found[1]
            channels = channels or (found[2] if len(found) > 2 else 1)  # noqa: PLR2004  # height and width
        shape = (height or 1, width or 1) if channels == 1 else (height or 1, width or 1, 3)
        if len(pictures) * math.prod(shape) > MAX_BYTES:
            raise DataError(
                f"the {len(pictures)} {split} pictures in {self._directory} would take more than {MAX_BYTES} bytes: "
                "set a smaller FASHION_IMAGE_HEIGHT and FASHION_IMAGE_WIDTH"
            )
        sums = Checksums.read(self._directory)
        images = np.empty((len(pictures), *shape), np.uint8)
        digests = {}
        for number, (path, _) in enumerate(pictures):
            content = _read(path)
            digest = sha256_hex(content)
            sums.check(path, digest)
            digests[path.relative_to(self._directory).as_posix()] = digest
            with _named_in_errors(path):
                images[number] = reader.read(content, shape)
        labels = np.array([class_id for _, class_id in pictures], np.uint16)
        return FolderImages(images, labels, self.names, _digest(digests))

    def _measure(self, paths: Sequence[Path], reader: PictureReader, *, needs_size: bool) -> tuple[int, ...]:
        """Find the one size of all pictures, and whether any has colours, by their headers."""
        first: tuple[int, ...] = ()
        is_coloured = False
        for path in paths:
            content = _read(path)
            with _named_in_errors(path):
                shape = reader.measure(content)
            first = first or shape
            is_coloured = is_coloured or len(shape) > 2  # noqa: PLR2004  # height and width
            if needs_size and shape[:2] != first[:2]:
                sizes = " and ".join(f"{height}×{width}" for height, width in (first[:2], shape[:2]))
                raise DataError(
                    f"the pictures in {self._directory} differ in size ({sizes} pixels, height×width): set "
                    "FASHION_IMAGE_HEIGHT and FASHION_IMAGE_WIDTH (--image-height, --image-width) to the size that the "
                    "model is to take"
                )
        return (*first[:2], 3) if is_coloured else first[:2]


def has_splits(directory: Path) -> bool:
    """Tell whether a directory has the classes in its folders `train` and `test`, and not in itself."""
    return any(list_classes(directory / split) for split in ("train", "test"))


def is_of_pictures(directory: Path, split: str) -> bool:
    """Tell whether a directory has folders with pictures of this split."""
    root = directory / split if has_splits(directory) else directory
    return any(_list_pictures(root / name) for name in list_classes(root))


def list_classes(directory: Path) -> list[str]:
    """List the folders of a directory by name, without hidden ones; none where there is no such directory.

    Raises:
        DataError: it cannot be read.
    """
    try:
        entries = sorted(directory.iterdir()) if directory.is_dir() else []
        return [entry.name for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{directory} cannot be read: {error.strerror}") from error


def _list_pictures(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder} cannot be read: {error.strerror}") from error
    return [path for path in entries if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")]


def _hold_back(by_class: Mapping[str, list[Path]], split: str) -> dict[str, list[Path]]:
    """Give a fifth of each class as the test images, and the others for training; always the same ones."""
    if few := [name for name, paths in by_class.items() if len(paths) < _FEWEST]:
        raise DataError(f"{by_class[few[0]][0]} is the only picture of its class; one is needed to test with, too")
    divided = {}
    for name, paths in by_class.items():
        order = list(paths)
        random.Random(_SEED).shuffle(order)  # noqa: S311  # no secret
        count = max(1, round(_TEST_SHARE * len(order)))
        divided[name] = order[:count] if split == "test" else order[count:]
    return divided


def _read(path: Path) -> bytes:
    try:
        return read_file(path, max_bytes=_MAX_FILE_BYTES)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


@contextmanager
def _named_in_errors(path: Path) -> Iterator[None]:
    """Name a picture in what is wrong with it."""
    try:
        yield
    except ImageError as error:
        raise DataError(f"{path}: {error}") from error


def _digest(digests: Mapping[str, str]) -> str:
    """Compute the SHA-256 of what `sha256sum` prints for all files, in the order of their names."""
    listing = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests))
    return sha256_hex(listing.encode(errors="surrogateescape"))
