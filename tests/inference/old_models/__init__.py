"""Small models that old versions of Keras saved, and what those answered; see scripts/old_models/README.md."""

import json
import tarfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images

FOLDER = Path(__file__).parent
VERSIONS = tuple(sorted(path.name.removesuffix(".tar.xz") for path in FOLDER.glob("*.tar.xz")))


@dataclass(frozen=True)
class OldModel:
    """A model's file, the images that it was asked about, and its answers."""

    content: bytes
    images: Images
    pixel_range: tuple[float, float]
    """What 0 and 255 are for it."""
    ends_in: str
    """`softmax`, `logits`, or a single `sigmoid`."""
    probabilities: npt.NDArray[np.float64]
    """Of the classes; of a sigmoid, of the two that it stands for."""


@cache
def read_models(version: str) -> dict[str, OldModel]:
    """Give the models of a version by name."""
    with tarfile.open(FOLDER / f"{version}.tar.xz") as archive:
        contents = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]  # all are files
    return {
        path.stem: _make_model(content, json.loads(contents[f"{path.stem}.json"]))
        for path, content in ((Path(name), content) for name, content in contents.items())
        if path.suffix != ".json"
    }


def _make_model(content: bytes, record: dict[str, Any]) -> OldModel:
    low, high = record["pixel_range"]
    return OldModel(
        content=content,
        images=np.array(record["images"], np.uint8),
        pixel_range=(low, high),
        ends_in=record["ends_in"],
        probabilities=np.array(record["probabilities"]),
    )
