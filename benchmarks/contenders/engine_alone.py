"""A floor: the engine alone in a loop, with no server around it; prints the seconds an image, by batch size."""

import json
import os
import time

import numpy as np

from benchmarks.contenders.model import Engine

_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)


def main() -> None:
    """Measure every batch size for BATCH_SECONDS."""
    seconds_each = float(os.environ["BATCH_SECONDS"])
    engine = Engine()
    rng = np.random.default_rng(0)
    seconds = {}
    for size in _BATCH_SIZES:
        images = rng.integers(0, 256, (size, *engine.shape), dtype=np.uint8)
        engine.classify(images)
        started, runs = time.perf_counter(), 0
        while time.perf_counter() - started < seconds_each:
            engine.classify(images)
            runs += 1
        seconds[size] = (time.perf_counter() - started) / (runs * size)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
