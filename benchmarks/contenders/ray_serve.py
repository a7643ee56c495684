"""A peer: Ray Serve, with its own batching."""

import os
import signal
from typing import Any

import numpy as np
import ray
from ray import serve
from starlette.requests import Request

from benchmarks.contenders.answers import Reply, describe
from benchmarks.contenders.model import MAX_BATCH_SIZE, Engine


@serve.deployment(
    max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5}, logging_config={"enable_access_log": False}
)
class Fashion:
    """Rows of pixels in, predictions out."""

    def __init__(self) -> None:
        self._engine = Engine()

    @serve.batch(max_batch_size=MAX_BATCH_SIZE, batch_wait_timeout_s=0.001)
    async def classify(self, images: list[np.ndarray]) -> list[Reply]:
        """Classify a batch."""
        return describe(self._engine.classify(np.stack(images)))

    async def __call__(self, request: Request) -> dict[str, Any]:
        """Reply one request."""
        (rows,) = (await request.json())["images"]
        return {"predictions": [await self.classify(np.array(rows, np.uint8))]}


def main() -> None:
    """Serve until SIGTERM."""
    ray.init(num_cpus=1, include_dashboard=False, configure_logging=False, log_to_driver=False)
    serve.start(
        http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])}, logging_config={"enable_access_log": False}
    )
    serve.run(Fashion.bind(), route_prefix="/api/v1/predictions")  # type: ignore[attr-defined]  # the decorator's
    signal.sigwait({signal.SIGTERM})


if __name__ == "__main__":
    main()
