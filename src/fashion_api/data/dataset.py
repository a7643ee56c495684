"""Find, verify, read and download Fashion-MNIST, or another data set in the same IDX format.

Fashion-MNIST: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
Algorithms", arXiv:1708.07747, 2017. IDX is described at http://yann.lecun.com/exdb/mnist/.
"""

import gzip
import logging
import math
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from fashion_api.errors import DataError, DataNotFoundError, UnknownTestImageError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.images import Images
from fashion_api.settings import FASHION_MNIST_LABELS, Settings

logger = logging.getLogger(__name__)

SplitName = Literal["train", "test"]

FILES: Mapping[SplitName, tuple[str, str]] = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
# Of the uncompressed files: each distributor compresses them in its own way.
FASHION_MNIST_SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
FASHION_MNIST_SHAPE = (28, 28)
MIRRORS = (
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
)
HOW_TO_GET = (
    "get it with `fashion-api data fetch` or Debian's package dataset-fashion-mnist, or set FASHION_DATA_DIR to where "
    "its IDX files are"
)
_CHECKSUM_FILE = "SHA256SUMS"
_CONNECT_TIMEOUT_S = 15


@dataclass(frozen=True)
class Split:
    """The training or the test images, with what each shows."""

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
    """Looked in, in this order."""
    labels: tuple[str, ...]
    shape: tuple[int, int]
    """Height and width of an image."""
    digests: Mapping[str, str] | None
    """SHA-256 of each uncompressed file; `None` for a data set of one's own, with SHA256SUMS beside it or without."""

    @classmethod
    def from_settings(
        cls, settings: Settings, *, labels: tuple[str, ...] | None = None, shape: tuple[int, int] | None = None
    ) -> Self:
        """Tell the places of the settings' data set; `labels` and `shape` are a model's, where it has its own.

        Other class names or another image size, together with a data directory, mean a data set of one's own, which is
        looked for nowhere else.
        """
        labels = labels or settings.class_names
        shape = shape or (settings.image_height, settings.image_width)
        given = () if settings.data_dir is None else (settings.data_dir,)
        if given and (labels != FASHION_MNIST_LABELS or shape != FASHION_MNIST_SHAPE):
            return cls(given, labels, shape, digests=None)
        usual = (
            download_directory(settings.cache_dir),
            Path.home() / ".keras" / "datasets" / "fashion-mnist",
            Path("/usr/share/datasets/fashion-mnist"),
        )
        return cls(given + usual, labels, shape, FASHION_MNIST_SHA256)

    def find(self, split: SplitName) -> Path:
        """Tell the first directory that holds both files of a split.

        Raises:
            DataNotFoundError: none does; the message says how to get the data set.
        """
        for directory in self.directories:
            if all(_locate(directory, name) for name in FILES[split]):
                return directory
        places = ", ".join(map(str, self.directories))
        raise DataNotFoundError(f"no {split} images of the data set in {places}; {HOW_TO_GET}")

    def load(self, split: SplitName) -> Split:
        """Find, verify and read the training or the test images.

        Raises:
            DataNotFoundError: they are nowhere.
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
        path = _locate(directory, name)
        if path is None:  # it was there a moment ago
            raise DataNotFoundError(f"{directory / name} is gone")
        stored = _read_bytes(path)
        if self.digests is None:
            _verify_stored(path, stored)
            return _decompress(path, stored)
        content = _decompress(path, stored)
        if sha256_hex(content) != self.digests[name]:
            raise DataError(
                f"{path} is not the file that was published as Fashion-MNIST (its SHA-256 differs): remove it and "
                "fetch it again; for a data set of your own, set FASHION_CLASS_NAMES to its classes"
            )
        return content


def download_directory(cache_dir: Path) -> Path:
    """Where downloads of the data set are kept."""
    return cache_dir / "fashion-mnist"


def download(directory: Path, *, mirrors: Sequence[str] = MIRRORS, quiet: bool = False) -> None:
    """Download what is missing of Fashion-MNIST into `directory`, with progress on standard error.

    Each file is verified before it is put in place; a mirror that fails or gives something else is passed over.

    Raises:
        DataNotFoundError: no mirror gave one of the files.
    """
    for name, sha256 in FASHION_MNIST_SHA256.items():
        path = directory / f"{name}.gz"
        if not _is_whole(path, sha256):
            write_atomically(path, _download_file(name, sha256, mirrors=mirrors, quiet=quiet))


def _is_whole(path: Path, sha256: str) -> bool:
    try:
        return path.exists() and sha256_hex(_decompress(path, _read_bytes(path))) == sha256
    except DataError:
        return False


def _download_file(name: str, sha256: str, *, mirrors: Sequence[str], quiet: bool) -> bytes:
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}{name}.gz"
        try:
            stored = _get(url, quiet=quiet)
            if sha256_hex(_decompress(Path(url), stored)) == sha256:
                return stored
            reasons.append(f"{url}: not the published file")
        except (OSError, DataError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            reasons.append(f"{url}: {reason}")
    raise DataNotFoundError(f"{name} could not be downloaded ({'; '.join(reasons)})")


def _get(url: str, *, quiet: bool) -> bytes:
    with urllib.request.urlopen(url, timeout=_CONNECT_TIMEOUT_S) as response:  # noqa: S310  # only our MIRRORS
        total = int(response.headers.get("Content-Length", 0)) or None
        chunks = []
        with tqdm(total=total, desc=url.rsplit("/", 1)[1], unit="B", unit_scale=True, disable=quiet) as progress:
            while chunk := response.read(1 << 16):
                chunks.append(chunk)
                progress.update(len(chunk))
    return b"".join(chunks)


def parse_idx(content: bytes, *, dimensions: int, name: str) -> Images:
    """Read an IDX file of unsigned bytes: a magic number, a 32-bit size for each dimension, the values in C order.

    Returns:
        A read-only view of `content`, uint8 with `dimensions` dimensions.

    Raises:
        DataError: it is not such a file, or is longer or shorter than its header says.
    """
    header_bytes = 4 + 4 * dimensions
    unsigned_byte = 0x08
    if content[:4] != bytes([0, 0, unsigned_byte, dimensions]) or len(content) < header_bytes:
        raise DataError(f"{name} is not an IDX file of unsigned bytes in {dimensions} dimension(s)")
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", count=dimensions, offset=4))
    if len(content) != header_bytes + math.prod(shape):
        raise DataError(f"{name} holds {len(content) - header_bytes} values, but its header says {math.prod(shape)}")
    return np.frombuffer(content, np.uint8, offset=header_bytes).reshape(shape)


def _locate(directory: Path, name: str) -> Path | None:
    candidates = (directory / f"{name}.gz", directory / name)
    return next((path for path in candidates if path.is_file()), None)


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _decompress(path: Path, stored: bytes) -> bytes:
    if path.suffix != ".gz":
        return stored
    try:
        return gzip.decompress(stored)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file") from error


def _verify_stored(path: Path, stored: bytes) -> None:
    """Hold a file of one's own against the SHA256SUMS beside it, as `sha256sum` writes it."""
    sums_path = path.parent / _CHECKSUM_FILE
    if not sums_path.is_file():
        logger.warning("%s has no %s beside it: it is read unverified", path, _CHECKSUM_FILE)
        return
    rows = (line.split(maxsplit=1) for line in _read_bytes(sums_path).decode(errors="replace").splitlines())
    sums = {row[1].lstrip("*"): row[0].lower() for row in rows if len(row) == 2}  # noqa: PLR2004  # digest and name
    if sums.get(path.name) != sha256_hex(stored):
        raise DataError(f"{path} does not have the SHA-256 that {sums_path} gives for it")
