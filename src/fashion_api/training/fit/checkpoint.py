"""The checkpoint of a training run: all that is needed to resume it, in one file."""

import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from fashion_api.errors import TrainingError
from fashion_api.files import write_atomically
from fashion_api.training.history import Epoch

Arrays = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run between two epochs."""

    configuration: Mapping[str, str]
    """All that the run's outcome depends on; a run is resumed only with the same configuration."""
    history: tuple[Epoch, ...] = ()
    variables: Arrays = ()
    """The model's variables, including the state of its dropout layers."""
    optimizer_variables: Arrays = ()
    best_weights: Arrays = ()
    """The weights after the best epoch."""
    model_sha256: str = ""
    """SHA-256 of the `.h5` that the run wrote when it ended; empty before that."""

    @property
    def best_index(self) -> int:
        """The index of the best epoch: the highest validation accuracy, then the lowest validation loss, decides."""
        ranks = [(-epoch.validation_accuracy, epoch.validation_loss) for epoch in self.history]
        return ranks.index(min(ranks))

    def check_configuration(self, configuration: Mapping[str, str]) -> None:
        """Check that this run was started with `configuration`.

        Raises:
            TrainingError: it was not; the message has the differences.
        """
        names = sorted(set(self.configuration) | set(configuration))
        differing = [name for name in names if self.configuration.get(name) != configuration.get(name)]
        if differing:
            changes = ", ".join(
                f"{name} (then {self.configuration.get(name)}, now {configuration.get(name)})" for name in differing
            )
            raise TrainingError(
                f"the run cannot be resumed, it was started differently: {changes}; "
                "set these as they were, or train again without --resume"
            )

    def write(self, path: Path) -> None:
        """Write it to a file, atomically."""
        content = io.BytesIO()
        texts = {"configuration": dict(self.configuration), "history": [asdict(epoch) for epoch in self.history]}
        texts["model_sha256"] = self.model_sha256
        np.savez(
            content,
            allow_pickle=False,
            texts=np.array(json.dumps(texts)),
            **_number("variable", self.variables),
            **_number("optimizer", self.optimizer_variables),
            **_number("best", self.best_weights),
        )
        write_atomically(path, content.getvalue())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            TrainingError: there is no such file, or it is no checkpoint.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as content:
                texts = json.loads(str(content["texts"]))
                return cls(
                    configuration=texts["configuration"],
                    history=tuple(Epoch(**epoch) for epoch in texts["history"]),
                    variables=_collect(content, "variable"),
                    optimizer_variables=_collect(content, "optimizer"),
                    best_weights=_collect(content, "best"),
                    model_sha256=texts.get("model_sha256", ""),
                )
        except FileNotFoundError:
            raise TrainingError(f"there is no run to resume: {path} does not exist") from None
        except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, BadZipFile) as error:
            raise TrainingError(f"{path} is not a checkpoint; train again without --resume") from error


def _number(kind: str, arrays: Iterable[npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {f"{kind}_{index}": array for index, array in enumerate(arrays)}


def _collect(content: Mapping[str, npt.NDArray[Any]], kind: str) -> Arrays:
    count = sum(name.startswith(f"{kind}_") for name in content)
    return tuple(content[f"{kind}_{index}"] for index in range(count))
