"""A peer: MLServer, with its own adaptive batching. It speaks the Open Inference Protocol (V2), and only that."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse

from benchmarks.contenders.answers import LABELS
from benchmarks.contenders.model import Engine


class FashionRuntime(MLModel):
    """A tensor uint8[n, 28, 28, 1] or uint8[n, 28, 28] in; probabilities out, or classes, labels and probabilities."""

    async def load(self) -> bool:
        """Load the model."""
        self._engine = Engine()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Classify what MLServer has put together; without outputs that are asked for, all are answered."""
        images = NumpyCodec.decode_input(payload.inputs[0])
        probabilities = self._engine.classify(images.reshape(-1, *self._engine.shape))
        outputs = [NumpyCodec.encode_output("probabilities", probabilities)]
        if not payload.outputs:
            class_ids = probabilities.argmax(axis=1)
            outputs = [
                NumpyCodec.encode_output("class_id", class_ids.astype(np.int64)[:, np.newaxis]),
                StringCodec.encode_output("label", [LABELS[class_id] for class_id in class_ids]),
                *outputs,
            ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
