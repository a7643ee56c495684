"""Train a model by a recipe, and write it with its manifest."""

import logging
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import TrainingError
from fashion_api.files import sha256_hex, write_atomically
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.manifest import InputSpec, Manifest, TrainingRecord, write_manifest
from fashion_api.settings import TrainingSettings
from fashion_api.training.evaluate.calibrating import calibrate_classifier
from fashion_api.training.fit.backend import Model, keras, tf
from fashion_api.training.fit.checkpoint import Checkpoint
from fashion_api.training.fit.distillation import describe_teacher, load_soft_labels, make_targets
from fashion_api.training.fit.history import format_history, log_path
from fashion_api.training.fit.run import Run
from fashion_api.training.fit.validation import hold_back
from fashion_api.training.recipe import Recipe, resolve
from fashion_api.training.report.figures import LEARNING_CURVES, draw_learning_curves, figure_path

logger = logging.getLogger(__name__)

RUNS_DIRECTORY = Path("runs")
LOW_TRAINING_ACCURACY = 0.8
LOW_VALIDATION_ACCURACY = 0.7


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training run left behind."""

    model_path: Path
    manifest: Manifest
    record: TrainingRecord
    """The manifest's."""
    curves_path: Path
    log_path: Path
    """The figures of every epoch, as CSV."""
    warnings: tuple[str, ...]
    """What the user must not miss; each was logged as well."""
    is_interrupted: bool
    """Whether Ctrl-C ended it early."""

    def summary(self) -> str:
        """Say how it went, for the terminal; the warnings stand last, where they are seen."""
        record = self.record
        ended = "interrupted after" if self.is_interrupted else "after"
        epochs = f"{record.epochs_run} of {record.epochs} epochs ({record.duration_s:.0f} s)"
        lines = [
            f"{record.recipe}: {ended} {epochs}, epoch {record.best_epoch} is kept",
            f"  training accuracy    {record.training_accuracy:.4f} ({record.training_images} images)",
            f"  validation accuracy  {record.validation_accuracy:.4f} ({record.validation_images} images)",
            f"  model                {self.model_path} ({record.parameters} parameters)",
            f"  learning curves      {self.curves_path}",
            f"  training log         {self.log_path}",
            *(f"WARNING: {warning}" for warning in self.warnings),
        ]
        return "\n".join(lines)


def train_model(settings: TrainingSettings, *, command: str, resume: bool = False) -> TrainingOutcome:
    """Train by the settings' recipe, and write the best epoch's model, its manifest, the learning curves and the log.

    Ctrl-C ends it early with the best weights so far. The run's checkpoint is kept under `runs/`, to be resumed.

    Args:
        settings: the recipe, what is to differ from it, and where the model goes.
        command: what reproduces the run, for the manifest.
        resume: go on with an earlier run of the same model from its last whole epoch.

    Raises:
        DataError: the training set is missing or broken.
        TrainingError: the settings do not fit together or the data, there is no such run to resume, not one epoch was
            done, or a file cannot be written.
    """
    recipe = resolve(settings)
    model_path = _tell_model_path(settings, recipe)
    source = DataSource.from_settings(settings)
    split = source.load("train")
    _check_data_size(settings, split)
    data = hold_back(split, recipe)
    teachers = tuple(sorted(describe_teacher(path) for path in recipe.teachers))
    soft_labels = load_soft_labels(
        recipe.teachers, data.images, settings, source.labels, augmentation=recipe.augmentation
    )
    run = Run(
        recipe,
        data,
        make_targets(data.labels, len(source.labels), soft_labels=soft_labels, weight=recipe.distillation_weight),
        shape=source.shape,
        classes=len(source.labels),
        seed=settings.seed,
        precision=settings.precision,
        checkpoint_path=RUNS_DIRECTORY / model_path.stem / "checkpoint.npz",
    )
    start = _start(run, _describe_run(run, split, source, teachers), resume=resume)
    try:
        end, is_interrupted = run.train(start)
        return _write_outcome(
            run,
            end,
            model_path,
            labels=source.labels,
            command=command,
            teachers=teachers,
            is_interrupted=is_interrupted,
        )
    except OSError as error:
        raise TrainingError(f"{error.filename or model_path} cannot be written: {error.strerror}") from error


def _tell_model_path(settings: TrainingSettings, recipe: Recipe) -> Path:
    path = settings.model_path if "model_path" in settings.model_fields_set else Path("models", f"{recipe.name}.h5")
    if path.suffix != ".h5":
        raise TrainingError(f"the model is written as a .h5, but the path set for it is {path}")
    if path.is_dir():
        raise TrainingError(f"the model cannot be written to {path}: that is a folder")
    return path


def _check_data_size(settings: TrainingSettings, split: Split) -> None:
    if settings.data_size is not None and settings.data_size > len(split):
        raise TrainingError(f"there are {len(split)} training images, not the {settings.data_size} that are set")


def _describe_run(run: Run, split: Split, source: DataSource, teachers: Sequence[str]) -> dict[str, str]:
    """Tell, as text, all that decides how a run comes out."""
    recipe = {name: str(value) for name, value in asdict(run.recipe).items() if name not in {"name", "description"}}
    return recipe | {
        "recipe": run.recipe.name,
        "seed": str(run.seed),
        "precision": run.precision,
        "data": split.sha256,
        "labels": ", ".join(source.labels),
        "teachers": ", ".join(teachers),
    }


def _start(run: Run, configuration: Mapping[str, str], *, resume: bool) -> Checkpoint:
    if not resume:
        run.checkpoint_path.unlink(missing_ok=True)
        return Checkpoint(configuration)
    start = Checkpoint.read(run.checkpoint_path)
    start.check_configuration(configuration)
    logger.info("resuming after epoch %d", len(start.history))
    return start


def _write_outcome(  # noqa: PLR0913  # what a run is, and what came of it
    run: Run,
    end: Checkpoint,
    model_path: Path,
    *,
    labels: tuple[str, ...],
    command: str,
    teachers: tuple[str, ...],
    is_interrupted: bool,
) -> TrainingOutcome:
    model = run.build_best(end)
    content = encode_h5(model)
    record = _record(run, end, command=command, teachers=teachers, parameters=model.count_params())
    height, width = run.shape
    spec = InputSpec(height=height, width=width, pixel_range=(0.0, 255.0))
    manifest = Manifest(
        name=model_path.stem,
        sha256=sha256_hex(content),
        labels=labels,
        input=spec,
        training=record,
        calibration=calibrate_classifier(KerasClassifier(model, pixel_range=spec.pixel_range), run.data),
    )
    write_atomically(model_path, content)
    write_manifest(model_path, manifest)
    curves_path = figure_path(model_path, LEARNING_CURVES)
    write_atomically(curves_path, draw_learning_curves(record, end.history, name=manifest.name))
    history_path = log_path(model_path)
    write_atomically(history_path, format_history(end.history).encode())
    warnings = tuple(_find_warnings(record))
    for warning in warnings:
        logger.warning(warning)
    return TrainingOutcome(model_path, manifest, record, curves_path, history_path, warnings, is_interrupted)


def encode_h5(model: Model) -> bytes:
    """Give a Keras model as the content of a `.h5`."""
    with tempfile.TemporaryDirectory(prefix="fashion-api-") as folder:
        path = Path(folder) / "model.h5"  # Keras saves by name only, and tells the format by the suffix
        logging.getLogger("absl").setLevel(logging.ERROR)  # Keras advises against the .h5 format at every save
        model.save(path)
        return path.read_bytes()


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
