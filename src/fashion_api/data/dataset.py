"""The labelled data set: where it is found, how it is verified, what it holds.

It is Fashion-MNIST, or another data set: IDX files of the same names, an `.npz`, or folders of pictures.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from fashion_api.data.checksums import Checksums
from fashion_api.data.fashion_mnist import FASHION_MNIST_SHA256, FASHION_MNIST_SHAPE
from fashion_api.data.folders import Folders, PictureReader, is_of_pictures
from fashion_api.data.idx import decompress, locate_idx, parse_idx, read_shape, read_stored
from fashion_api.data.npz import read_npz
from fashion_api.errors import DataError, DataNotFoundError, UnknownTestImageError
from fashion_api.files import sha256_file, sha256_hex
from fashion_api.images import Images
from fashion_api.settings import FASHION_MNIST_LABELS, Settings

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]
Kind = Literal["IDX files", "an .npz file", "folders of pictures"]

FILES: Mapping[SplitName, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
"""The IDX files of each split: its images and their labels. Images in colour may also be called `idx4`."""

_COLOURS = 3  # numbers a pixel
_GREY_DIMENSIONS = 3
_MOST_CLASSES = 2**16 - 1


@dataclass(frozen=True)
class Split:
    """The training or the test images, with the class of each."""

    images: Images
    """uint8[n, height, width] or, in colour, uint8[n, height, width, 3]; read-only."""
    labels: npt.NDArray[np.integer]
    """[n]: class ids, read-only."""
    sha256: str
    """Of all that was read: of IDX files, of the two uncompressed ones, images first."""
    names: tuple[str, ...] = ()
    """Of the classes, in the order of their ids."""

    def __len__(self) -> int:
        """How many images there are."""
        return len(self.images)

    def describe_form(self) -> str:
        """Describe the images, as `28×28 pixels` or `32×32 pixels in colour`."""
        return Form.of_shape(self.images.shape[1:]).describe()

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
class Form:
    """What the images must be like; where a part is `None`, the data set decides."""

    height: int | None = None
    width: int | None = None
    channels: int | None = None

    @classmethod
    def of_shape(cls, shape: Sequence[int]) -> Self:
        """Give the form of images of a shape: (height, width), or (height, width, 3) of those in colour."""
        height, width, *channels = shape
        return cls(height, width, *(channels or [1]))

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Give what the settings say explicitly; their defaults are those of Fashion-MNIST."""
        is_set = settings.model_fields_set
        return cls(
            settings.image_height if "image_height" in is_set else None,
            settings.image_width if "image_width" in is_set else None,
            settings.channels if "channels" in is_set else None,
        )

    def describe(self) -> str:
        """Describe it, as `32×32 pixels in colour`; all of its parts must be known."""
        return f"{self.height}×{self.width} pixels{' in colour' if self.channels == _COLOURS else ''}"

    def fits(self, shape: Sequence[int]) -> bool:
        """Tell whether images of this shape have this form."""
        found = Form.of_shape(shape)
        pairs = ((self.height, found.height), (self.width, found.width), (self.channels, found.channels))
        return all(wanted in (None, there) for wanted, there in pairs)


@dataclass(frozen=True)
class DataSource:
    """Where a data set may be, and what it must be."""

    directories: tuple[Path, ...]
    """Searched in this order; one may be an `.npz` file instead."""
    labels: tuple[str, ...] | None
    """The classes, in the order of their ids; `None` for those of the data set."""
    form: Form
    digests: Mapping[str, str] | None
    """SHA-256 of each uncompressed file; `None` for another data set, whose own SHA256SUMS is checked if it has one."""
    pictures: PictureReader | None = None
    """Reads folders of pictures, which are not looked for without it."""

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        labels: tuple[str, ...] | None = None,
        shape: Sequence[int] | None = None,
        pictures: PictureReader | None = None,
    ) -> Self:
        """List the places of the settings' data set; `labels` and `shape` are a model's, where it has its own.

        Where `FASHION_DATA_DIR` is set, it is the only place. With other class names or another size of images than
        Fashion-MNIST's, it holds another data set. Where it is not set, there is none for a model of other classes than
        Fashion-MNIST's, unless the settings name them, too.
        """
        if labels is None and "class_names" in settings.model_fields_set:
            labels = settings.class_names
        form = Form.from_settings(settings) if shape is None else Form.of_shape(shape)
        if settings.data_dir is not None:
            may_be_fashion_mnist = labels in (None, FASHION_MNIST_LABELS) and form.fits(FASHION_MNIST_SHAPE)
            digests = FASHION_MNIST_SHA256 if may_be_fashion_mnist else None
            return cls((settings.data_dir,), labels, form, digests, pictures)
        if labels not in (None, FASHION_MNIST_LABELS, settings.class_names):
            return cls((), labels, form, None, pictures)
        usual = (
            download_directory(settings.cache_dir),
            Path.home() / ".keras" / "datasets" / "fashion-mnist",
            Path("/usr/share/datasets/fashion-mnist"),
        )
        return cls(usual, labels, form, FASHION_MNIST_SHA256)

    def find(self, split: SplitName) -> Path:
        """Give the first place that holds a split: a directory, or an `.npz` file.

        Raises:
            DataNotFoundError: none does; the message says how to get the data set.
        """
        place, _ = self._find(split)
        return place

    def find_kind(self, split: SplitName) -> Kind:
        """Give what a split is stored as.

        Raises:
            DataNotFoundError: as `find`.
        """
        _, kind = self._find(split)
        return kind

    def _find(self, split: SplitName) -> tuple[Path, Kind]:
        for directory in self.directories:
            if all(_locate(directory, name) for name in FILES[split]):
                return directory, "IDX files"
            if (path := _locate_npz(directory)) is not None:
                return path, "an .npz file"
            if self.pictures is not None and is_of_pictures(directory, split):
                return directory, "folders of pictures"
        if not self.directories:
            raise DataNotFoundError(
                f"no {split} images: the model's classes are not Fashion-MNIST's; set FASHION_DATA_DIR to its data set"
            )
        places = ", ".join(map(str, self.directories))
        may_be_another = self.digests is None or self.pictures is not None
        ways_out = [
            *(["get Fashion-MNIST with `fashion-api data fetch`"] if self.digests is not None else []),
            *(["put IDX files, an .npz file or folders of pictures there"] if may_be_another else []),
            "set FASHION_DATA_DIR to where they are",
        ]
        raise DataNotFoundError(f"no {split} images of the data set in {places}: {', or '.join(ways_out)}")

    def load(self, split: SplitName) -> Split:
        """Find, verify and read the training or the test images.

        Raises:
            DataNotFoundError: they were not found.
            DataError: a file is altered, broken, or does not fit the labels or the image size.
        """
        place, kind = self._find(split)
        if kind == "folders of pictures":
            return self._load_folders(place, split)
        found = self._load_idx(place, split) if kind == "IDX files" else _load_npz(place, split)
        images, labels = found.images, found.labels
        if images.shape[3:] == (1,):
            images = images[..., 0]
        if images.ndim < _GREY_DIMENSIONS or images.shape[3:] not in ((), (_COLOURS,)):
            shape = "×".join(map(str, found.images.shape))
            raise DataError(
                f"the {split} images in {place} have the shape {shape}, which must be n×height×width, or "
                "n×height×width×3 of images in colour"
            )
        if len(images) != len(labels) or not images.size:
            raise DataError(f"{place} holds {len(images)} {split} images, but {len(labels)} labels")
        self._check_form(images.shape[1:], place)
        names = self._name_classes(labels, found.names, place)
        _check_classes(labels, split, place)
        return Split(_freeze(images), _freeze(labels.astype(np.uint16)), found.sha256, names)

    def _load_folders(self, directory: Path, split: SplitName) -> Split:
        if self.pictures is None:  # then they are not found
            raise DataNotFoundError(f"{directory} has folders of pictures, which are not read here")
        form = self.form
        found = Folders(directory, names=self.labels).load(
            split, self.pictures, height=form.height, width=form.width, channels=form.channels
        )
        return Split(_freeze(found.images), _freeze(found.labels), found.sha256, found.names)

    def _load_idx(self, directory: Path, split: SplitName) -> "_Arrays":
        files = [_read_idx(directory, name) for name in FILES[split]]
        if self.digests is None:
            _check_sums(directory, files)
        images, labels = (decompress(stored, name=str(path)) for path, stored in files)
        names = None
        if self.digests is not None:
            if self._are_of_another_form(images):
                _check_sums(directory, files)
            else:
                self._check_digests(files, (images, labels), FILES[split])
                names = FASHION_MNIST_LABELS
        return _Arrays(
            parse_idx(images, dimensions=images[3] if images[3:4] == b"\4" else 3, name=str(files[0][0])),
            parse_idx(labels, dimensions=1, name=str(files[1][0])),
            names,
            sha256_hex(images, labels),
        )

    def _are_of_another_form(self, images: bytes) -> bool:
        """Tell by their header whether images cannot be Fashion-MNIST's, and need not be by what is set."""
        shape = read_shape(images)[1:]
        return self.labels is None and len(shape) > 1 and shape != FASHION_MNIST_SHAPE and self.form.fits(shape)

    def _check_digests(
        self, files: Sequence[tuple[Path, bytes]], contents: Sequence[bytes], names: Sequence[str]
    ) -> None:
        for (path, _), content, name in zip(files, contents, names, strict=True):
            if self.digests is not None and sha256_hex(content) != self.digests[name]:
                raise DataError(
                    f"{path} is not the file that was published as Fashion-MNIST (its SHA-256 differs): remove it and "
                    "fetch it again; for a data set of your own, set FASHION_CLASS_NAMES to its classes"
                )

    def _check_form(self, shape: tuple[int, ...], place: Path) -> None:
        if self.form.fits(shape):
            return
        found = Form.of_shape(shape)
        wanted = Form(
            self.form.height or found.height, self.form.width or found.width, self.form.channels or found.channels
        )
        raise DataError(
            f"the images in {place} are {found.describe()}, not {wanted.describe()}: set FASHION_IMAGE_HEIGHT, "
            "FASHION_IMAGE_WIDTH and FASHION_CHANNELS to what they are, or leave them unset"
        )

    def _name_classes(
        self, labels: npt.NDArray[np.integer], names: tuple[str, ...] | None, place: Path
    ) -> tuple[str, ...]:
        """Give the names of the classes, and check that each class id has one."""
        least, most = int(labels.min()), int(labels.max())
        if least < 0 or most > _MOST_CLASSES:
            raise DataError(f"{place} has a class {least if least < 0 else most}; classes are numbered from 0")
        names = self.labels or names
        if names is None:
            logger.warning("%s has no names of its classes: set FASHION_CLASS_NAMES, in the order of their ids", place)
            names = tuple(f"class {class_id}" for class_id in range(max(most + 1, 2)))
        if most >= len(names):
            raise DataError(
                f"{place} has a class {most}, but there are only {len(names)} class names: set FASHION_CLASS_NAMES"
            )
        return names


class _Arrays(NamedTuple):
    """What files of arrays hold."""

    images: Images
    """Of any shape."""
    labels: npt.NDArray[np.integer]
    names: tuple[str, ...] | None
    """Of the classes, where they are known."""
    sha256: str


def _load_npz(path: Path, split: SplitName) -> _Arrays:
    try:
        sha256 = sha256_file(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    Checksums.read(path.parent).check(path, sha256)
    images, labels = read_npz(path, split=split)
    return _Arrays(images, labels, None, sha256)


def _locate(directory: Path, name: str) -> Path | None:
    return locate_idx(directory, name) or locate_idx(directory, name.replace("idx3", "idx4"))


def _locate_npz(place: Path) -> Path | None:
    """Find an `.npz`, which a place may be or hold; `None` where there is none, or several."""
    if place.suffix == ".npz" and place.is_file():
        return place
    found = sorted(place.glob("*.npz"))
    return found[0] if len(found) == 1 else None


def _read_idx(directory: Path, name: str) -> tuple[Path, bytes]:
    path = _locate(directory, name)
    if path is None:  # it was there a moment ago
        raise DataNotFoundError(f"{directory / name} is gone")
    return path, read_stored(path)


def _check_sums(directory: Path, files: Sequence[tuple[Path, bytes]]) -> None:
    """Compare files with the SHA256SUMS beside them."""
    sums = Checksums.read(directory)
    for path, stored in files:
        sums.check(path, sha256_hex(stored))


def _check_classes(labels: npt.NDArray[np.integer], split: SplitName, place: Path) -> None:
    if split == "train" and labels.min() == labels.max():
        raise DataError(f"the training images in {place} are all of class {labels[0]}; two classes or more are needed")


def _freeze(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Make an array read-only, as all requests share it."""
    array.flags.writeable = False
    return array


def download_directory(cache_dir: Path) -> Path:
    """Where downloads of the data set are kept."""
    return cache_dir / "fashion-mnist"
