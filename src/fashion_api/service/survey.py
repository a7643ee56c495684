"""The model's predictions for the whole test set, computed in the background where nothing else is to be computed."""

import asyncio
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import Split
from fashion_api.errors import DeadlineExceededError, NotReadyError, PendingError
from fashion_api.images import Images
from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Predictions
from fashion_api.service.batcher import Batcher

_CHUNK = 4
"""Images at a time: a caller's request that arrives meanwhile waits for no more than these."""
_STOPPING = "the service is stopping"

_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Findings:
    """What the model sees in each of n labelled images."""

    class_ids: npt.NDArray[np.intp]
    """intp[n]: the most probable class."""
    probabilities: npt.NDArray[np.float32]
    """float32[n]: of that class."""
    is_correct: _Flags
    """bool[n]"""
    novelty: npt.NDArray[np.float64] | None
    """float64[n], as multiples of the threshold; `None` for a model that does not score it."""

    @property
    def is_accepted(self) -> _Flags | None:
        """bool[n]; `None` for a model that scores no novelty."""
        return None if self.novelty is None else self.novelty <= 1


class Survey:
    """Computes the findings for a test set once, when they are first asked for; to be used on the event loop.

    It gives the batcher a few images, and the next ones only when the batcher has nothing to do.

    Args:
        batcher: classifies the images.
        thresholds: of the model's novelty, if it has them.
        max_queue_size: the most images that the batcher takes in.
    """

    def __init__(self, batcher: Batcher, thresholds: NoveltyThresholds | None, *, max_queue_size: int) -> None:
        self._batcher = batcher
        self._thresholds = thresholds
        self._chunk = min(_CHUNK, max_queue_size)
        self._task: asyncio.Task[Findings] | None = None
        self._predicted = 0
        self._is_stopped = False

    def get(self, test_set: Split) -> Findings:
        """Give the findings; the first call has them computed.

        Raises:
            PendingError: they are not yet there; says how far it has come.
            NotReadyError: the service is stopping.
            EngineError: the model failed on an image; the next call begins anew.
        """
        task = self._task
        if task is not None and task.done():
            if task.exception() is not None:
                self._task = None
            return task.result()
        if self._is_stopped:
            raise NotReadyError(_STOPPING)
        if task is None:
            self._task = asyncio.get_running_loop().create_task(self._predict(test_set))
        raise PendingError(f"{self._predicted} of {len(test_set)} test images are predicted so far; ask again later")

    def stop(self) -> None:
        """Compute no more than the images that are being computed; may be called by a signal's handler."""
        self._is_stopped = True

    async def aclose(self) -> None:
        """Stop at once."""
        self.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _predict(self, test_set: Split) -> Findings:
        parts: list[Predictions] = []
        self._predicted = 0
        for start in range(0, len(test_set), self._chunk):
            if self._is_stopped:
                raise NotReadyError(_STOPPING)
            parts.append(await self._classify(test_set.images[start : start + self._chunk]))
            self._predicted += len(parts[-1])
        predictions = Predictions.join(parts)
        class_ids, novelty = predictions.class_ids, predictions.novelty
        return Findings(
            class_ids,
            predictions.probabilities.max(axis=1),
            is_correct=class_ids == test_set.labels,
            novelty=None if self._thresholds is None or novelty is None else self._thresholds.scale(novelty, class_ids),
        )

    async def _classify(self, images: Images) -> Predictions:
        while True:
            await self._batcher.wait_until_idle()
            try:
                return await self._batcher.classify(images)
            except DeadlineExceededError:  # the model stood still; nobody waits for this
                continue
