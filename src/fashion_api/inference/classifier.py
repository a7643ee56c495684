"""What every engine is to the rest of the house: images in, probabilities out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Predictions:
    """What a model says of some images."""

    probabilities: npt.NDArray[np.float32]
    """float32[n, classes]; each row sums to 1."""

    def __len__(self) -> int:
        """How many images were classified."""
        return len(self.probabilities)

    @property
    def class_ids(self) -> npt.NDArray[np.intp]:
        """intp[n]: the most probable class of each image."""
        class_ids: npt.NDArray[np.intp] = self.probabilities.argmax(axis=1)
        return class_ids


class Classifier(Protocol):
    """An engine with a model in it. Thread-safe; knows nothing of HTTP, of files or of asyncio."""

    def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width], light article on black; n is at least 1."""
        ...
