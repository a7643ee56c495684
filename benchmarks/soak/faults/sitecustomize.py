"""Faults for a service in the soak: Python imports this module at its start where its folder is on the path.

A worker has a fault while a file of its name is in the folder that FAULT_DIR names: `errors`, the model's computing
fails; `memory`, the worker holds 600 MB more.
"""  # noqa: INP001  # no package

import os
import sys
import threading
import time
from pathlib import Path

_HELD_BYTES = 600 * 10**6
_POLL_S = 0.2

if "fashion_api.server.worker_process" in sys.orig_argv:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import
    import onnxruntime as ort

    folder = Path(os.environ["FAULT_DIR"])
    compute = ort.InferenceSession.run

    def fail_or_compute(self: ort.InferenceSession, *arguments: object) -> object:
        """Compute, unless the fault is there."""
        if (folder / "errors").exists():
            raise RuntimeError("the soak's fault")
        return compute(self, *arguments)

    def hold_memory() -> None:
        """Hold memory while the fault is there."""
        held = b""
        while True:
            if not (folder / "memory").exists():
                held = b""
            elif not held:
                held = b"x" * _HELD_BYTES
            time.sleep(_POLL_S)

    ort.InferenceSession.run = fail_or_compute
    threading.Thread(target=hold_memory, daemon=True).start()
