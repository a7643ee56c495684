"""Make a model with its manifest, training log and learning curves of a network that `train.py` has written.

    PYTHONPATH=. .venv/bin/python scripts/gpu/to_h5.py OUT/standard_0.npz models/fashion_mnist.h5 --teachers A.h5 B.h5

Runs in the project's own environment, without PyTorch. The Keras model has to answer the images in the file as PyTorch
did. It is calibrated on the validation images; `fashion-api evaluate` scores it.
"""

import argparse
import csv
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fashion_api.data.dataset import DataSource
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.manifest import InputSpec, Manifest, TrainingRecord, write_manifest
from fashion_api.settings import TrainingSettings, load_settings
from fashion_api.training.calibrate.calibrator import calibrate_classifier
from fashion_api.training.classification import classify_all
from fashion_api.training.history import Epoch, format_history, log_path
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import RECIPES
from fashion_api.training.report.figures import LEARNING_CURVES, draw_learning_curves, figure_path
from fashion_api.training.synthetic.augmentation import augment
from fashion_api.training.validation import TrainingData, hold_back

_CHECKED_IMAGES = 5500  # altered training images that the training accuracy is measured on
_TOLERANCES = {"probabilities": 1e-4, "novelty": 1e-3}


def main() -> int:
    """Make the model that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path, metavar="NAME.npz")
    parser.add_argument("model", type=Path, metavar="MODEL.h5")
    parser.add_argument("--teachers", nargs="*", type=Path, default=[], help="the models that taught it")
    options = parser.parse_args()
    stored = dict(np.load(options.network))
    run = json.loads(str(stored["run"]))
    recipe = RECIPES[run["recipe"]]
    model = build_model(recipe, shape=(28, 28), classes=10, precision="float32")
    for layer in model.layers:
        if layer.weights:
            layer.set_weights([stored[f"{layer.name}/{weight.name}"] for weight in layer.weights])
    classifier = KerasClassifier(model, InputSpec(height=28, width=28))
    check(classifier, stored)
    source = DataSource.from_settings(load_settings(TrainingSettings, overrides={}))
    data = hold_back(source.load("train"), recipe)
    history = read_log(options.network.with_name(f"{options.network.stem}_log.csv"))
    content = encode_h5(model)
    record = describe(run, classifier, data, options, parameters=model.count_params())
    manifest = Manifest(
        name=options.model.stem,
        sha256=sha256_hex(content),
        labels=source.labels,
        input=InputSpec(height=28, width=28),
        training=record,
        calibration=calibrate_classifier(classifier, data),
    )
    write_atomically(options.model, content)
    write_manifest(options.model, manifest)
    write_atomically(log_path(options.model), format_history(history).encode())
    curves = draw_learning_curves(record, history, name=manifest.name)
    write_atomically(figure_path(options.model, LEARNING_CURVES), curves)
    return 0


def check(classifier: KerasClassifier, stored: dict[str, Any]) -> None:
    """Compare the Keras model's answers with PyTorch's."""
    answers = classifier.classify(stored["check/images"])
    for name, tolerance in _TOLERANCES.items():
        difference = float(np.abs(getattr(answers, name) - stored[f"check/{name}"]).max())
        sys.stdout.write(f"{name}: {difference:.1e} from PyTorch's at most\n")
        if not difference < tolerance:
            raise ValueError(f"the Keras model's {name} differ from PyTorch's")


def read_log(path: Path) -> list[Epoch]:
    """Read the log of `train.py` as a history; figures are missing for the epochs that it skips."""
    with path.open(newline="") as file:
        rows = {int(row["epoch"]): {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)}
    missing = dict.fromkeys(("class_loss", "novelty_loss", "validation_loss", "validation_accuracy"), math.nan)
    figures = [rows.get(epoch, missing) for epoch in range(1, max(rows) + 1)]
    return [
        Epoch(
            loss=round(row["class_loss"] + row["novelty_loss"] / 2, 6),
            accuracy=math.nan,
            validation_loss=round(row["validation_loss"], 6),
            validation_accuracy=round(row["validation_accuracy"], 4),
            duration_s=math.nan,
        )
        for row in figures
    ]


def describe(
    run: dict[str, Any],
    classifier: KerasClassifier,
    data: TrainingData,
    options: argparse.Namespace,
    *,
    parameters: int,
) -> TrainingRecord:
    """Describe the run as `fashion-api train` would, and how it differed."""
    recipe = RECIPES[run["recipe"]]
    images, labels = data.images[:_CHECKED_IMAGES], data.labels[:_CHECKED_IMAGES]
    altered = augment(images, recipe.augmentation, np.random.default_rng(0))
    validated = classify_all(classifier, data.validation_images)
    trained = classify_all(classifier, altered)
    return TrainingRecord(
        recipe=recipe.name,
        command=f"fashion-api train --recipe {recipe.name} --seed {run['seed']} --epochs {run['epochs']} "
        f"--batch-size {run['batch_size']} --model-path models/{options.model.name}",
        teachers=tuple(sorted(sha256_hex(path.read_bytes()) for path in options.teachers)),
        seed=run["seed"],
        optimizer=recipe.optimizer,
        learning_rate=recipe.learning_rate,
        batch_size=run["batch_size"],
        epochs=run["epochs"],
        epochs_run=run["epochs"],
        best_epoch=run["epochs"],
        dropout_rates=recipe.dropout_rates,
        hidden_units=recipe.hidden_units,
        precision="bfloat16 products, float32 weights",
        training_images=len(data.images),
        validation_images=len(data.validation_images),
        training_accuracy=float((trained.class_ids == labels).mean()),
        validation_accuracy=float((validated.class_ids == data.validation_labels).mean()),
        parameters=parameters,
        duration_s=run["duration_s"],
        finished_at=run["finished_at"],
        versions=run["versions"],
        note=run["note"],
    )


if __name__ == "__main__":
    sys.exit(main())
