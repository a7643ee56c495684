"""Downloading Fashion-MNIST."""

import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from fashion_api.data.fashion_mnist import FASHION_MNIST_SHA256, MIRRORS
from fashion_api.data.idx import decompress, locate_idx, read_stored
from fashion_api.errors import DataError, DataNotFoundError
from fashion_api.files import make_folder, sha256_hex, write_atomically

_CONNECT_TIMEOUT_S = 15


def download(
    directory: Path,
    *,
    replace: bool,
    digests: Mapping[str, str] = FASHION_MNIST_SHA256,
    mirrors: Sequence[str] = MIRRORS,
    quiet: bool = False,
) -> None:
    """Download the files that `directory` lacks, with progress on standard error.

    Each file is verified before it is put in place; a mirror that fails or gives something else is passed over.

    Args:
        directory: Where the files go; it is made where it is missing.
        replace: Whether a file that is there, but is not the published one, is replaced.
        digests: SHA-256 of each uncompressed file, by the file's name.
        mirrors: Addresses that the names are appended to, in the order in which they are tried.
        quiet: Whether to leave out the progress.

    Raises:
        DataNotFoundError: no mirror gave one of the files.
        DataError: a file that is there is not the published one, and may not be replaced.
        OSError: the directory cannot be made, or a file cannot be written.
    """
    make_folder(directory)
    for name, sha256 in digests.items():
        present = locate_idx(directory, name)
        if present is not None:
            if _is_published(present, sha256):
                continue
            if not replace:
                raise DataError(
                    f"{present} is not the file that was published as Fashion-MNIST (its SHA-256 differs), and is left "
                    "as it is: remove it, or set FASHION_DATA_DIR to another directory, and fetch again"
                )
        write_atomically(directory / f"{name}.gz", _download_file(name, sha256, mirrors=mirrors, quiet=quiet))


def _is_published(path: Path, sha256: str) -> bool:
    try:
        return sha256_hex(decompress(read_stored(path), name=str(path))) == sha256
    except DataError:
        return False


def _download_file(name: str, sha256: str, *, mirrors: Sequence[str], quiet: bool) -> bytes:
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}{name}.gz"
        try:
            stored = _get(url, quiet=quiet)
            if sha256_hex(decompress(stored, name=url)) == sha256:
                return stored
            reasons.append(f"{url}: not the published file")
        except DataError as error:
            reasons.append(str(error))
        except OSError as error:
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
