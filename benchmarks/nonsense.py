"""The search for nonsense, shapes that the service accepts as an article, with a probability of at least 0.9.

    python -m benchmarks.nonsense [MODEL.h5 …] [--queries 2000] [--seed 0]

Prints for each class whether an accepted image was found. The same seed asks the same questions. `fashion-api evaluate`
runs the same search with three seeds.
"""

import argparse
import logging
import sys
from pathlib import Path

from fashion_api.errors import FashionError
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.settings import Settings, load_settings
from fashion_api.training.evaluate.nonsense import QUERIES, find_nonsense

_DEFAULT = Path("models/fashion_mnist.h5")


def main() -> int:
    """Search the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=Path, default=[_DEFAULT], metavar="MODEL.h5")
    parser.add_argument("--queries", type=int, default=QUERIES, help="images classified for each class")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    try:
        for path in arguments.models:
            model = load_model(load_settings(Settings, overrides={"model_path": path}))
            sys.stdout.write(f"{path}\n{search(model, queries=arguments.queries, seed=arguments.seed)}\n")
    except FashionError as error:
        sys.stderr.write(f"nonsense: {error}\n")
        return 1
    return 0


def search(model: LoadedModel, *, queries: int, seed: int) -> str:
    """Search a model for nonsense of every class, and describe what was found."""
    found = [find_nonsense(model, class_id, queries=queries, seed=seed) for class_id in range(len(model.labels))]
    rows = [
        f"  {label:12} {'not reached' if image is None else 'reached'}"
        for label, image in zip(model.labels, found, strict=True)
    ]
    return "\n".join([*rows, f"  {sum(image is not None for image in found)} of {len(found)} classes reached"])


if __name__ == "__main__":
    sys.exit(main())
