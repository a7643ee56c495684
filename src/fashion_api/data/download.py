"""Downloading Fashion-MNIST."""

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

from fashion_api.data.fashion_mnist import FASHION_MNIST_SHA256, MIRRORS
from fashion_api.data.idx import decompress, locate_idx, read_stored
from fashion_api.errors import DataError, DataNotFoundError
from fashion_api.files import make_folder, sha256_hex, write_atomically

_CONNECT_TIMEOUT_S = 15

Report = Callable[[str, float], None]
"""Is told the name of a file and the share of it that has come; 0 where its size is not known."""


def download(
    directory: Path,
    *,
    replace: bool,
    digests: Mapping[str, str] = FASHION_MNIST_SHA256,
    mirrors: Sequence[str] = MIRRORS,
    report: Report | None = None,
) -> None:
    """Download the files that `directory` lacks.

    Each file is verified before it is put in place; a mirror that fails or gives something else is passed over.

    Args:
        directory: Where the files go; it is made where it is missing.
        replace: Whether a file that is there, but is not the published one, is replaced.
        digests: SHA-256 of each uncompressed file, by the file's name.
        mirrors: Addresses that the names are appended to, in the order in which they are tried.
        report: Is told how far a file is.

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
        write_atomically(directory / f"{name}.gz", _download_file(name, sha256, mirrors=mirrors, report=report))


def _is_published(path: Path, sha256: str) -> bool:
    try:
        return sha256_hex(decompress(read_stored(path), name=str(path))) == sha256
    except DataError:
        return False


def _download_file(name: str, sha256: str, *, mirrors: Sequence[str], report: Report | None) -> bytes:
    reasons = []
    for mirror in mirrors:
        url = f"{mirror}{name}.gz"
        try:
            stored = _get(url, report)
            if sha256_hex(decompress(stored, name=url)) == sha256:
                return stored
            reasons.append(f"{url}: not the published file")
        except DataError as error:
            reasons.append(str(error))
        except (OSError, HTTPException, ValueError) as error:  # ValueError: a number or an address that is none
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            reasons.append(f"{url}: {reason}")
    raise DataNotFoundError(f"{name} could not be downloaded ({'; '.join(reasons)})")


def _get(url: str, report: Report | None) -> bytes:
    with urllib.request.urlopen(url, timeout=_CONNECT_TIMEOUT_S) as response:  # noqa: S310  # only our MIRRORS
        total = int(response.headers.get("Content-Length", 0))
        content = bytearray()
        while chunk := response.read(1 << 16):
            content += chunk
            if report is not None:
                report(url.rsplit("/", 1)[1], len(content) / total if total else 0.0)
    return bytes(content)
