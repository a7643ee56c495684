"""Where a training run writes its model, and what it may overwrite there."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from fashion_api.errors import FlagError, TrainingError
from fashion_api.files import make_folder, sha256_hex
from fashion_api.inference.manifest import manifest_path


@dataclass(frozen=True)
class Destination:
    """The path of a run's `.h5`, beside which its manifest is written."""

    path: Path
    own_sha256: str
    """Of the `.h5` that the run has written before it was resumed; empty if it wrote none."""
    is_forced: bool
    """Whether a model that is not the run's own is overwritten."""

    def check(self, *, way_out: str = "name another place with --model-path, or add --force") -> None:
        """Check that a model can be written, and overwrites nothing that is not the run's own.

        Raises:
            FlagError: no model can have this path.
            TrainingError: nothing can be written there, or a model or a manifest would be overwritten; then the message
                ends with `way_out`.
        """
        if self.path.suffix != ".h5" or self.path.is_dir():
            reason = "is a folder" if self.path.is_dir() else "does not end in .h5"
            raise FlagError(f"--model-path: the model cannot be written to {self.path}, which {reason}")
        paths = (self.path, manifest_path(self.path))
        there = [path for path in paths if os.path.lexists(path)]  # a broken link too
        if there and not self.is_forced and not self._is_own():
            raise TrainingError(f"{there[0]} is there already, and is not overwritten: {way_out}")

        try:
            make_folder(self.path.parent)
            with tempfile.TemporaryFile(dir=self.path.parent):
                pass
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be written: {error.strerror}; name another place") from error

    def _is_own(self) -> bool:
        return self.path.is_file() and sha256_hex(self.path.read_bytes()) == self.own_sha256
