"""The fast engine: the compiled form of a model, run by ONNX Runtime."""

import os
from pathlib import Path

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # on by default since 1.30; read at import

import onnxruntime as ort
from pydantic import ValidationError

from fashion_api.errors import DamagedModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.signature import SIGNATURE, Signature


class OnnxClassifier:
    """A classifier that runs a compiled model on uint8[n, height, width] or uint8[n, height, width, 3] for any n.

    Raises:
        DamagedModelError: ONNX Runtime cannot load it.
    """

    def __init__(self, compiled: bytes, *, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting takes no CPU
        options.log_severity_level = 3
        try:
            self._session = ort.InferenceSession(compiled, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's errors have no common base of their own
            raise DamagedModelError(f"ONNX Runtime cannot load its compiled form ({type(error).__name__})") from error
        self._input = self._session.get_inputs()[0].name

    def read_signature(self) -> Signature:
        """Read what the compiled form says of its input and outputs.

        Raises:
            DamagedModelError: it says nothing of them, or takes other images.
        """
        text = self._session.get_modelmeta().custom_metadata_map.get(SIGNATURE, "")
        try:
            signature = Signature.model_validate_json(text)
        except ValidationError:
            raise DamagedModelError("its compiled form does not carry its signature") from None
        shape = tuple(self._session.get_inputs()[0].shape[1:])
        if shape != signature.input.shape:
            raise DamagedModelError(f"its compiled form takes images of {shape!s:.60}, not of {signature.input.shape}")
        return signature

    def classify(self, images: Images) -> Predictions:
        """Classify uint8[n, height, width] or uint8[n, height, width, 3], n at least 1."""
        probabilities, *others = self._session.run(None, {self._input: images})
        return Predictions(probabilities, others[0][:, 0] if others else None)


def count_usable_cores(cgroup: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Count the cores that this process may use, by its affinity and the quota of its control group."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = cgroup.read_text().split()
    except (OSError, ValueError):
        return cores
    if quota == "max":
        return cores
    return max(1, min(cores, int(quota) // int(period)))
