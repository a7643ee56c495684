"""The model as Triton's Python backend runs it: all the requests that Triton has put together are one batch."""

import numpy as np
import triton_python_backend_utils as triton

from benchmarks.contenders.model import Engine


class TritonPythonModel:
    """A tensor uint8[n, 28, 28, 1] in, probabilities out."""

    def initialize(self, _: dict[str, str]) -> None:
        """Load the model."""
        self._engine = Engine()

    def execute(self, requests: "list[triton.InferenceRequest]") -> "list[triton.InferenceResponse]":
        """Classify the images of some requests."""
        tensors = [triton.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        images = np.concatenate(tensors) if len(tensors) > 1 else tensors[0]
        probabilities = self._engine.classify(images.reshape(-1, *self._engine.shape))
        responses, start = [], 0
        for tensor in tensors:
            rows = probabilities[start : start + len(tensor)]
            responses.append(triton.InferenceResponse([triton.Tensor("probabilities", rows)]))
            start += len(tensor)
        return responses
