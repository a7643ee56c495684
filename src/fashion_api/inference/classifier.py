"""The interface of every engine: images in, probabilities out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images


@dataclass(frozen=True, slots=True)
class Predictions:
    """A model's predictions for some images."""

    probabilities: npt.NDArray[np.float32]
    """float32[n, classes]; each row sums to 1."""
    novelty: npt.NDArray[np.float32] | None = None
    """float32[n], from 0 up: how unlike an article each image is; `None` for a model without a novelty output."""

    def __len__(self) -> int:
        """How many images were classified."""
        return len(self.probabilities)

    @property
    def class_ids(self) -> npt.NDArray[np.intp]:
        """intp[n]: the most probable class of each image."""
        class_ids: npt.NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return class_ids

    def take(self, start: int, stop: int) -> "Predictions":
        """Give the predictions for the images from `start` up to, not including, `stop`."""
        novelty = self.novelty
        return Predictions(self.probabilities[start:stop], None if novelty is None else novelty[start:stop])

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Concatenate predictions of one model."""
        novelties = [part.novelty for part in parts if part.novelty is not None]
        return cls(
            np.concatenate([part.probabilities for part in parts]), np.concatenate(novelties) if novelties else None
        )


class Classifier(Protocol):
    """An engine with a model loaded. Thread-safe; independent of HTTP, files and asyncio."""

    def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width], light article on black; n is at least 1."""
        ...
