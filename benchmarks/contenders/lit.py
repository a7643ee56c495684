"""A peer: LitServe, with its own batching."""

import os
from typing import Any

import litserve as ls
import numpy as np

from benchmarks.contenders.answers import Reply, describe
from benchmarks.contenders.model import MAX_BATCH_SIZE, Engine


class FashionApi(ls.LitAPI):
    """Rows of pixels in, predictions out; one image a request, as LitServe's batching is by the request."""

    def setup(self, device: str) -> None:  # noqa: ARG002  # LitServe's signature
        """Load the model in the worker."""
        self._engine = Engine()

    def decode_request(self, request: dict[str, Any]) -> np.ndarray:
        """Read the image."""
        (rows,) = request["images"]
        return np.array(rows, np.uint8)

    def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
        """Put images together."""
        return np.stack(inputs)

    def predict(self, images: np.ndarray) -> list[Reply]:
        """Classify a batch."""
        return describe(self._engine.classify(images))

    def unbatch(self, answers: list[Reply]) -> list[Reply]:
        """Take the answers apart again."""
        return answers

    def encode_response(self, answer: Reply) -> dict[str, Any]:
        """Write the answer."""
        return {"predictions": [answer]}


def main() -> None:
    """Serve: one worker with the model, one process for HTTP."""
    api = FashionApi(max_batch_size=MAX_BATCH_SIZE, batch_timeout=0.001, api_path="/api/v1/predictions")
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )


if __name__ == "__main__":
    main()
