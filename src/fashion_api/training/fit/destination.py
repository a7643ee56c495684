"""Where a training run writes its model, and what it may overwrite there."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fashion_api.errors import FlagError, TrainingError
from fashion_api.files import make_folder, sha256_hex
from fashion_api.inference.manifest import manifest_path

MODELS_DIRECTORY, RUNS_DIRECTORY = Path("models"), Path("runs")


def locate_checkpoint(model_path: Path) -> Path:
    """Give the path of the checkpoint of the run that writes a model."""
    return RUNS_DIRECTORY / model_path.stem / "checkpoint.npz"


def choose_path(name: str, *, resume: bool, force: bool) -> Path:
    """Give the path of a run's model where none was named: `models/NAME.h5` or, if that is taken, `NAME_2.h5` and on.

    Args:
        name: the recipe's.
        resume: whether the last of these runs goes on.
        force: whether a model that is there is overwritten; then it is `NAME.h5`.
    """
    if resume:
        taken = list(
            itertools.takewhile(lambda path: bool(find_taken(path)) or locate_checkpoint(path).exists(), _number(name))
        )
        runs = [path for path in taken if locate_checkpoint(path).exists()]
        return runs[-1] if runs else next(_number(name))
    return next(path for path in _number(name) if force or not find_taken(path))


def _number(name: str) -> Iterator[Path]:
    yield MODELS_DIRECTORY / f"{name}.h5"
    for number in itertools.count(2):
        yield MODELS_DIRECTORY / f"{name}_{number}.h5"


def find_taken(path: Path) -> list[Path]:
    """Give those of a model and its manifest that are there already."""
    return [file for file in (path, manifest_path(path)) if os.path.lexists(file)]  # a broken link too


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
        there = find_taken(self.path)
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
