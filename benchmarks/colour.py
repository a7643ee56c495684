"""A model in colour beside its limit: the constant route with the same bodies, and the engine alone.

    python -m benchmarks.colour [--rounds 5] [--seconds 1]

The network is that of `standard` for images of 32×32×3, narrowed to about as many multiply-adds (13.9 for 14.7
million); its weights are random, which costs the same. Prints a table in Markdown. Needs two cores, and a machine that
does nothing else.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from statistics import median

import numpy as np

from benchmarks import environments
from benchmarks.before import measure_round, start
from benchmarks.inputs import CACHE, FORMS, Inputs, Model, classify_each
from benchmarks.lineup import CONSTANT, SERVICE
from benchmarks.measure import CONCURRENCIES, GENERATOR_CORE, Bench, measure_engine
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.loading import compile_model
from fashion_api.inference.manifest import InputSpec, Manifest, write_manifest
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import RECIPES, ResidualShape
from fashion_api.training.report.markdown import table

_SPEC = InputSpec(height=32, width=32, channels=3)
_NETWORK = ResidualShape(stem_size=5, widths=(24, 56), blocks=(2, 2))
_AT = CONCURRENCIES[1:]
_IMAGES = 64


def main() -> int:
    """Measure, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long one measurement takes (default: 1)")
    arguments = parser.parse_args()
    environments.install(environments.SERVICE)
    bench = _make_bench(arguments.seconds)
    os.sched_setaffinity(0, {GENERATOR_CORE})
    rounds = [_measure_round(bench, number) for number in range(arguments.rounds)]
    rows = []
    for form in FORMS:
        for concurrency in _AT:
            shares = [round_[form, concurrency] for round_ in rounds]
            rows.append([form, f"{concurrency}", f"{median(shares):.2f} ({min(shares):.2f}–{max(shares):.2f})"])
    sys.stdout.write(f"{table(('form', 'concurrency', 'share of the limit'), rows)}\n")
    return 0


def _make_bench(seconds: float) -> Bench:
    h5 = CACHE / "colour.h5"
    network = build_model(
        replace(RECIPES["standard"], residual=_NETWORK), shape=_SPEC.shape, classes=10, precision="float32"
    )
    sys.stderr.write(f"{count_multiply_adds(network) / 1e6:.1f} million multiply-adds an image\n")
    content = encode_h5(network)
    write_atomically(h5, content)
    write_manifest(h5, Manifest(name="colour", sha256=sha256_hex(content), labels=FASHION_MNIST_LABELS, input=_SPEC))
    onnx = compile_model(Settings(model_path=h5, cache_dir=CACHE))
    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, *_SPEC.shape), dtype=np.uint8)
    test_set = CACHE / "colour.npz"
    model = Model(h5, onnx, 1.0, test_set)
    class_ids = classify_each(model, images)
    np.savez(test_set, x_test=images, y_test=np.array(class_ids, np.uint8))
    return Bench(model, Inputs(images, class_ids), seconds)


def _measure_round(bench: Bench, number: int) -> dict[tuple[str, int], float]:
    """Give the share of the limit, by form and concurrency."""
    engine_s = min(measure_engine(bench).values())
    with ExitStack() as stack:
        targets = {each.name: start(bench, stack, each, forms=FORMS) for each in (CONSTANT, SERVICE)}
        rates = measure_round(bench, targets, number, forms=FORMS, concurrencies=_AT)
    return {
        (form, at): rates[SERVICE.name][form][at] * (1 / rates[CONSTANT.name][form][at] + engine_s)
        for form in FORMS
        for at in _AT
    }


if __name__ == "__main__":
    sys.exit(main())
