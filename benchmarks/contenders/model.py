"""The model as all of the peers use it: the same compiled form, with the same options, on one thread."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

MAX_BATCH_SIZE = 64


class Engine:
    """ONNX Runtime on the file that MODEL_ONNX names."""

    def __init__(self) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = Path(os.environ["MODEL_ONNX"])
        self._session = ort.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        images = self._session.get_inputs()[0]
        self._input, self.shape = images.name, tuple(images.shape[1:])
        """The shape is that of one image."""

    def classify(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Give float32[n, classes] for uint8[n, height, width]."""
        probabilities: npt.NDArray[np.float32] = self._session.run(None, {self._input: images})[0]
        return probabilities
