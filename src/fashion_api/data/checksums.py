"""The file SHA256SUMS beside a data set, as `sha256sum` writes it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fashion_api.data.idx import read_stored
from fashion_api.errors import DataError

logger = logging.getLogger(__name__)

_CHECKSUM_FILE = "SHA256SUMS"


@dataclass(frozen=True)
class Checksums:
    """The digests that a data set's own SHA256SUMS gives for its files."""

    folder: Path
    """Where SHA256SUMS is; its names are relative to it."""
    digests: Mapping[str, str] | None
    """By name; `None` where there is no SHA256SUMS, and nothing is checked."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the SHA256SUMS of a folder; a warning is logged where there is none.

        Raises:
            DataError: it cannot be read.
        """
        path = folder / _CHECKSUM_FILE
        if not path.is_file():
            logger.warning("%s has no %s: it is read unverified", folder, _CHECKSUM_FILE)
            return cls(folder, None)
        rows = (line.split(maxsplit=1) for line in read_stored(path).decode(errors="replace").splitlines())
        digests = {row[1].lstrip("*").removeprefix("./"): row[0].lower() for row in rows if len(row) == 2}  # noqa: PLR2004  # digest and name
        return cls(folder, digests)

    def check(self, path: Path, sha256: str) -> None:
        """Compare the digest of a file as it is stored.

        Raises:
            DataError: it is not the one that SHA256SUMS gives.
        """
        if self.digests is not None and self.digests.get(path.relative_to(self.folder).as_posix()) != sha256:
            raise DataError(f"{path} does not have the SHA-256 that {self.folder / _CHECKSUM_FILE} gives for it")
