"""The manifest beside a `.h5`: what the model takes, what its outputs mean, how it was made and how it scored."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fashion_api.errors import ModelError
from fashion_api.files import write_atomically
from fashion_api.inference.calibration import Calibration
from fashion_api.inference.evaluation_record import (
    CalibrationReport,
    CorruptionScore,
    CostRecord,
    Fraction,
    NoveltyReport,
    PredictionSetScore,
)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Record(BaseModel):
    """Unknown fields are kept out of the way, so that an older version reads a newer manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class InputSpec(_Record):
    """What one image is."""

    height: int = Field(ge=1, description="Rows of an image.")
    width: int = Field(ge=1, description="Columns of an image.")
    pixel_range: tuple[float, float] = Field(
        (0.0, 255.0),
        description="What 0 and 255 are scaled to before the model sees them; (0, 255) is as they are.",
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.pixel_range
        if not low < high < float("inf"):
            raise ValueError("pixel_range must be two finite numbers, the lower first")
        return self


class TrainingRecord(_Record):
    """How the model was trained; enough to do it again."""

    recipe: str = Field(description="The recipe's name.")
    command: str = Field(description="The command that reproduces the run.")
    teachers: tuple[Sha256, ...] = Field((), description="SHA-256 of each `.h5` whose answers it learnt from, if any.")
    seed: int = Field(description="The seed of every random choice.")
    optimizer: str = Field(description="How the weights were updated.")
    learning_rate: float = Field(description="The (peak) learning rate.")
    batch_size: int = Field(description="Images a training step.")
    epochs: int = Field(description="Epochs that were asked for.")
    epochs_run: int = Field(description="Epochs that were run.")
    best_epoch: int = Field(description="The epoch whose weights were kept, chosen on the validation images.")
    dropout_rates: tuple[float, ...] = Field(description="The dropout layers' rates, from input to output.")
    hidden_units: int = Field(description="Units of the dense hidden layer.")
    precision: str = Field(description="What training computed in.")
    training_images: int = Field(description="Images trained on.")
    validation_images: int = Field(description="Images held back to choose the epoch by.")
    training_accuracy: Fraction = Field(
        description="Accuracy on the training images at the best epoch, as training saw them: altered, with dropout."
    )
    validation_accuracy: Fraction = Field(description="Accuracy on the validation images at the best epoch.")
    parameters: int = Field(description="Weights in the model.")
    duration_s: float = Field(description="Wall-clock seconds the training took.")
    finished_at: str = Field(description="When the training ended, ISO 8601, UTC.")
    versions: dict[str, str] = Field(description="The versions of Python and of the libraries.")


class ClassScore(_Record):
    """How one class scored."""

    precision: Fraction = Field(description="Of the images predicted to be of this class, the share that are.")
    recall: Fraction = Field(description="Of the images of this class, the share predicted to be.")
    images: int = Field(description="Images of this class.")


class EvaluationRecord(_Record):
    """How the model scored on the test set."""

    data_sha256: Sha256 = Field(description="SHA-256 of the test images' and then labels' uncompressed IDX files.")
    images: int = Field(ge=1, description="Images in the test set.")
    correct: int = Field(ge=0, description="Images classified correctly.")
    accuracy: Fraction = Field(description="correct / images.")
    accuracy_interval: tuple[Fraction, Fraction] = Field(description="The Wilson score interval at 95 %.")
    classes: dict[str, ClassScore] = Field(description="Precision and recall of each class, by label.")
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="Counts: a row for each actual class, a column for each predicted one."
    )
    calibration: CalibrationReport | None = Field(
        None, description="How well the probabilities are calibrated; null for a model without a calibration."
    )
    prediction_sets: dict[str, PredictionSetScore] | None = Field(
        None, description="How the prediction sets turned out, by the coverage that they are for; null likewise."
    )
    novelty: NoveltyReport | None = Field(
        None, description="How images are recognised that show no article; null where it was not measured."
    )
    mirrored_accuracy: Fraction | None = Field(None, description="Accuracy on the test images mirrored left to right.")
    corruptions: dict[str, CorruptionScore] | None = Field(
        None, description="Accuracy on corrupted test images, by kind of corruption."
    )
    cost: CostRecord | None = Field(None, description="What one answer costs.")


class Manifest(_Record):
    """Everything about a model that its `.h5` does not say."""

    manifest_version: Literal[1] = 1
    name: str = Field(min_length=1, description="The model's name.")
    sha256: Sha256 = Field(description="SHA-256 of the `.h5` that this describes.")
    labels: tuple[str, ...] = Field(min_length=2, description="The class names, in the order of the outputs.")
    input: InputSpec = Field(description="What one image is.")
    training: TrainingRecord | None = Field(None, description="How it was trained.")
    calibration: Calibration | None = Field(None, description="What was fitted on the validation images.")
    evaluation: EvaluationRecord | None = Field(None, description="How it scored on the test set.")

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label stands there twice")
        return self


def manifest_path(model_path: Path) -> Path:
    """Where the manifest of the model at `model_path` is."""
    return model_path.with_suffix(".json")


def read_manifest(model_path: Path) -> Manifest | None:
    """Read the manifest beside a model; `None` when there is none.

    Raises:
        ModelError: it is there, but is not a manifest.
    """
    path = manifest_path(model_path)
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"the manifest {path} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path} is not a manifest: {where}: {first['msg']}") from None


def write_manifest(model_path: Path, manifest: Manifest) -> None:
    """Write the manifest beside a model, atomically."""
    write_atomically(manifest_path(model_path), manifest.model_dump_json(indent=2).encode() + b"\n")
