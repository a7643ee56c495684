"""Trains a model by a recipe, and writes it with its manifest, learning curves and log."""

import hashlib
import logging
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fashion_api.data.dataset import Split
from fashion_api.errors import TrainingError
from fashion_api.files import sha256_hex, write_as_text, write_atomically
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.manifest import InputSpec, Manifest, TrainingRecord, write_manifest
from fashion_api.inference.multiply_adds import count_multiply_adds
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import TrainingSettings
from fashion_api.training.calibrate.calibrator import calibrate_classifier
from fashion_api.training.fit.checkpoint import Checkpoint
from fashion_api.training.fit.destination import Destination, choose_path, locate_checkpoint
from fashion_api.training.fit.distillation import compute_digest, load_teachers, make_targets
from fashion_api.training.fit.observer import Observer, Plan
from fashion_api.training.fit.run import Run
from fashion_api.training.history import format_history, log_path
from fashion_api.training.network.architectures import build_model
from fashion_api.training.network.backend import keras, tf
from fashion_api.training.network.h5 import encode_h5
from fashion_api.training.recipes import Recipe, resolve_recipe
from fashion_api.training.report.figures import LEARNING_CURVES, draw_learning_curves, figure_path
from fashion_api.training.synthetic.augmentation import Augment, augment
from fashion_api.training.validation import hold_back

logger = logging.getLogger(__name__)

LOW_TRAINING_ACCURACY = 0.8
LOW_VALIDATION_ACCURACY = 0.7


@dataclass(frozen=True)
class TrainingOutcome:
    """The result of a training run, and the files that it wrote."""

    model_path: Path
    manifest: Manifest
    record: TrainingRecord
    """The manifest's."""
    curves_path: Path
    log_path: Path
    """The figures of every epoch, as CSV."""
    warnings: tuple[str, ...]
    """What the user must not miss."""
    is_interrupted: bool
    """Whether Ctrl-C ended it early."""


def train_model(  # noqa: PLR0913  # what the command line may set beside the settings
    settings: TrainingSettings,
    *,
    command: str,
    model_path: Path | None = None,
    resume: bool = False,
    force: bool = False,
    augment: Augment = augment,
    observer: Observer | None = None,
) -> TrainingOutcome:
    """Train by the settings' recipe, and write the best epoch's model, its manifest, the learning curves and the log.

    Ctrl-C ends the training early with the best weights so far. The run's checkpoint under `runs/` can be resumed.

    Args:
        settings: the recipe, changes to it, and the data; what they say of the model that is served does not matter.
        command: the command that reproduces the run, for the manifest.
        model_path: where the model is written; `None`: as `choose_path` says.
        resume: continue an earlier run of the same model after its last complete epoch.
        force: overwrite a model or a manifest that is there and is not the run's own.
        augment: augments the images of an epoch.
        observer: looks at the run.

    Raises:
        DataError: the training set is missing or broken.
        SettingsError: there is no such recipe, or a setting fits neither it nor the data.
        TrainingError: a model would be overwritten that is not the run's own, there is no such run to resume, no epoch
            was completed, or a file cannot be written.
    """
    model_path = model_path or choose_path(resolve_recipe(settings).name, resume=resume, force=force)
    checkpoint_path = locate_checkpoint(model_path)
    earlier = Checkpoint.read(checkpoint_path) if resume else None
    destination = Destination(model_path, own_sha256="" if earlier is None else earlier.model_sha256, is_forced=force)
    destination.check()
    source = find_data_set(settings)
    split = source.load("train")
    _check_data_size(settings, split)
    recipe = resolve_recipe(settings, split.names)
    digests = tuple(sorted(map(compute_digest, recipe.teachers)))
    run = _make_run(settings, recipe, split, checkpoint_path)
    run = replace(run, augment=augment, observer=observer or Observer())
    start = _start(run, _describe_run(run, split, digests), earlier)
    run.observer.begin(_plan(run, start, data_dir=source.find("train"), model_path=model_path))
    try:
        end, is_interrupted = run.train(start)
        run.observer.end()
        best = _finish(run, end, name=model_path.stem, labels=split.names, command=command, teachers=digests)
        destination.check(way_out="add --resume and --force to write it")
        replace(end, model_sha256=best.manifest.sha256).write(checkpoint_path)
        return _write(best, end, model_path, is_interrupted=is_interrupted)
    except OSError as error:
        raise TrainingError(f"{error.filename or model_path} cannot be written: {error.strerror}") from error


def _make_run(settings: TrainingSettings, recipe: Recipe, split: Split, checkpoint_path: Path) -> Run:
    def load_teacher(path: Path) -> LoadedModel:
        return load_model(settings.model_copy(update={"model_path": path}))

    data = hold_back(split, recipe)
    shape = split.images.shape[1:]
    return Run(
        recipe,
        data,
        make_targets(data.labels, len(split.names), smoothing=recipe.label_smoothing),
        shape=shape,
        classes=len(split.names),
        seed=settings.seed,
        precision=settings.precision,
        checkpoint_path=checkpoint_path,
        teachers=load_teachers(recipe.teachers, split.names, shape, load_teacher=load_teacher),
    )


def _plan(run: Run, start: Checkpoint, *, data_dir: Path, model_path: Path) -> Plan:
    network = build_model(run.recipe, shape=run.shape, classes=run.classes, precision="float32")
    return Plan(
        run.recipe,
        data_dir,
        training_images=len(run.data.images),
        validation_images=len(run.data.validation_images),
        parameters=network.count_params(),
        multiply_adds=count_multiply_adds(network),
        precision=run.precision,
        seed=run.seed,
        model_path=model_path,
        history=start.history,
    )


def _check_data_size(settings: TrainingSettings, split: Split) -> None:
    if settings.data_size is not None and settings.data_size > len(split):
        raise settings.make_error(
            "data_size", f"there are {len(split)} training images, not the {settings.data_size} that are set"
        )


def _describe_run(run: Run, split: Split, teachers: Sequence[str]) -> dict[str, str]:
    """Describe, as text, all that the outcome of a run depends on."""
    recipe = {name: str(value) for name, value in asdict(run.recipe).items() if name not in {"name", "description"}}
    return recipe | {
        "recipe": run.recipe.name,
        "seed": str(run.seed),
        "precision": run.precision,
        "data": split.sha256,
        "pixels": hashlib.sha256(np.ascontiguousarray(split.images).data).hexdigest(),
        "labels": ", ".join(split.names),
        "teachers": ", ".join(teachers),
    }


def _start(run: Run, configuration: Mapping[str, str], earlier: Checkpoint | None) -> Checkpoint:
    if earlier is None:
        run.checkpoint_path.unlink(missing_ok=True)
        return Checkpoint(configuration)
    earlier.check_configuration(configuration)
    logger.info("resuming after epoch %d", len(earlier.history))
    return earlier


@dataclass(frozen=True)
class _TrainedModel:
    content: bytes
    """Of its `.h5`."""
    manifest: Manifest
    record: TrainingRecord
    """The manifest's."""


def _finish(  # noqa: PLR0913  # a run, its end, and what only the caller knows
    run: Run, end: Checkpoint, *, name: str, labels: tuple[str, ...], command: str, teachers: tuple[str, ...]
) -> _TrainedModel:
    """Build and calibrate the model of the best epoch, and describe it in a manifest."""
    model = run.build_best(end)
    content = encode_h5(model)
    record = _record(run, end, command=command, teachers=teachers, parameters=model.count_params())
    height, width, *channels = run.shape
    spec = InputSpec(height=height, width=width, channels=channels[0] if channels else 1, pixel_range=(0.0, 255.0))
    manifest = Manifest(
        name=write_as_text(name),
        sha256=sha256_hex(content),
        labels=labels,
        input=spec,
        training=record,
        calibration=calibrate_classifier(KerasClassifier(model, spec), run.data),
    )
    return _TrainedModel(content, manifest, record)


def _write(best: _TrainedModel, end: Checkpoint, model_path: Path, *, is_interrupted: bool) -> TrainingOutcome:
    curves_path, history_path = figure_path(model_path, LEARNING_CURVES), log_path(model_path)
    write_atomically(model_path, best.content)
    write_manifest(model_path, best.manifest)
    write_atomically(curves_path, draw_learning_curves(best.record, end.history, name=best.manifest.name))
    write_atomically(history_path, format_history(end.history).encode())
    warnings = tuple(_find_warnings(best.record))
    return TrainingOutcome(model_path, best.manifest, best.record, curves_path, history_path, warnings, is_interrupted)


def _record(run: Run, end: Checkpoint, *, command: str, teachers: tuple[str, ...], parameters: int) -> TrainingRecord:
    recipe, best = run.recipe, end.history[end.best_index]
    return TrainingRecord(
        recipe=recipe.name,
        command=command,
        teachers=teachers,
        seed=run.seed,
        optimizer=recipe.optimizer,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        epochs_run=len(end.history),
        best_epoch=end.best_index + 1,
        dropout_rates=recipe.dropout_rates,
        hidden_units=recipe.hidden_units,
        precision=run.precision,
        data_sha256=end.configuration["data"],
        training_images=len(run.data.images),
        validation_images=len(run.data.validation_images),
        training_accuracy=best.accuracy,
        validation_accuracy=best.validation_accuracy,
        parameters=parameters,
        duration_s=round(sum(epoch.duration_s for epoch in end.history), 1),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "numpy": np.__version__,
        },
    )


def _find_warnings(record: TrainingRecord) -> Iterator[str]:
    for images, accuracy, least in (
        ("TRAINING", record.training_accuracy, LOW_TRAINING_ACCURACY),
        ("VALIDATION", record.validation_accuracy, LOW_VALIDATION_ACCURACY),
    ):
        if accuracy < least:
            yield f"LOW {images} ACCURACY: {accuracy:.4f}, where at least {least} is expected; do not serve this model"
