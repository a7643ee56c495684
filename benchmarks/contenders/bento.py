"""A peer: BentoML, with its own adaptive batching; `bentoml serve benchmarks.contenders.bento:Fashion`."""

from typing import Any

import bentoml
import numpy as np

from benchmarks.contenders.answers import describe
from benchmarks.contenders.model import MAX_BATCH_SIZE, Engine


@bentoml.service(
    workers=1,
    traffic={"timeout": 30},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class Fashion:
    """Rows of pixels in, predictions out."""

    def __init__(self) -> None:
        self._engine = Engine()

    @bentoml.api(route="/api/v1/predictions", batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=1000)
    async def predict(self, images: list[list[list[int]]]) -> list[dict[str, Any]]:
        """Classify a batch."""
        return describe(self._engine.classify(np.array(images, np.uint8)))
