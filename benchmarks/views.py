"""What a model gains by being asked of an image in several ways, as a student's teachers are.

    python -m benchmarks.views models/teacher.h5 …

Prints accuracy and loss on the validation images: of the answer to each image, and of the mean over all of its views.
Several models are asked together, and their mean is taken. Every model needs a manifest with its training.
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fashion_api.data.dataset import DataSource
from fashion_api.errors import FashionError, TrainingError
from fashion_api.inference.loading import load_model
from fashion_api.settings import Settings, load_settings
from fashion_api.training.classification import classify_all
from fashion_api.training.recipes import RECIPES
from fashion_api.training.synthetic.augmentation import list_views
from fashion_api.training.validation import load_training_data


def _ask(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Give the answers to each view, float32[views, n, classes], and the labels, uint8[n]."""
    settings = load_settings(Settings, overrides={"model_path": path})
    model = load_model(settings)
    source = DataSource.from_settings(settings, labels=model.labels, shape=model.input.shape)
    data = load_training_data(model.manifest, source)
    if data is None:
        raise TrainingError(f"the manifest of {path} does not say what it was trained on")
    views = list_views(data.validation_images, RECIPES["standard"].augmentation)
    return np.stack([classify_all(model.classifier, view).probabilities for view in views]), data.validation_labels


def main() -> int:
    """Measure the models that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.h5", help="a model with its manifest")
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    try:
        asked = [_ask(path) for path in arguments.models]
    except FashionError as error:
        sys.stderr.write(f"views: {error}\n")
        return 1
    answers, labels = np.mean([answers for answers, _ in asked], axis=0), asked[0][1]
    for what, seen in (("one view", answers[:1]), (f"mean of {len(answers)}", answers)):
        mean = seen.mean(axis=0)
        accuracy, loss = (mean.argmax(axis=1) == labels).mean(), -np.log(mean[np.arange(len(labels)), labels]).mean()
        sys.stdout.write(f"{what:12} accuracy {accuracy:.4f}, loss {loss:.4f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
