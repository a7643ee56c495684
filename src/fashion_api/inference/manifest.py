"""The manifest beside a `.h5`: the model's input, labels, training, calibration and evaluation."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from fashion_api.errors import ModelError
from fashion_api.files import read_file, write_atomically
from fashion_api.inference.calibration import Calibration
from fashion_api.inference.evaluation_record import EvaluationRecord, Fraction, Sha256
from fashion_api.inference.record import Record

_MAX_BYTES = 512 * 1024
"""Ten times the largest of the project's own; pydantic takes 600 bytes for each byte of a file that is all errors."""
_MAX_PLACE = 100  # characters of the place of an error, which has names from the file

OutputKind = Literal["probabilities", "logits", "log-probabilities", "sigmoid"]
"""What the outputs of a network are: `sigmoid` is one output, the probability of the second of two classes."""


class InputSpec(Record):
    """The size of an image, its colours and the range of its pixels."""

    height: int = Field(ge=1, description="Rows of an image.")
    width: int = Field(ge=1, description="Columns of an image.")
    channels: int = Field(1, ge=1, le=3, description="Numbers a pixel: 1 is grey; 3 is red, green and blue.")
    pixel_range: tuple[float, float] = Field(
        (0.0, 255.0),
        description="What 0 and 255 are scaled to for the model; (0, 255) leaves them unscaled.",
    )

    @model_validator(mode="after")
    def _check_channels(self) -> Self:
        if self.channels == 2:  # noqa: PLR2004  # grey with transparency, which no model here takes
            raise ValueError("channels must be 1, for grey images, or 3, for images in colour")
        return self

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        low, high = self.pixel_range
        if not 0 < high - low < float("inf"):  # NaN is never less
            raise ValueError("pixel_range must be two finite numbers, the lower first")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image."""
        return self.height, self.width

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of an image: (height, width) where it is grey, (height, width, 3) where it has colours."""
        return self.size if self.channels == 1 else (*self.size, self.channels)

    def scale(self, pixels: Any) -> Any:  # noqa: ANN401  # an array or a tensor
        """Scale float32 pixels from 0–255 to the pixel range."""
        low, high = self.pixel_range
        scaled = pixels * ((high - low) / 255.0)
        return scaled + low if low else scaled


class TrainingRecord(Record):
    """How the model was trained, in enough detail to repeat the run."""

    recipe: str = Field(description="The recipe's name.")
    command: str = Field(description="The command that reproduces the run.")
    teachers: tuple[Sha256, ...] = Field((), description="SHA-256 of the `.h5` of each teacher, if there were any.")
    seed: int = Field(description="The seed of every random choice.")
    optimizer: str = Field(description="The optimiser.")
    learning_rate: float = Field(description="The (peak) learning rate.")
    batch_size: int = Field(description="Images a training step.")
    epochs: int = Field(description="Epochs requested.")
    epochs_run: int = Field(description="Epochs completed.")
    best_epoch: int = Field(description="The epoch whose weights were kept, chosen on the validation images.")
    dropout_rates: tuple[float, ...] = Field(description="The dropout layers' rates, from input to output.")
    hidden_units: int = Field(description="Units of the dense hidden layer.")
    precision: str = Field(description="The floating-point precision of training.")
    data_sha256: Sha256 | None = Field(
        None, description="SHA-256 of the training images and labels as they are stored; null: it was not recorded."
    )
    training_images: int = Field(description="Images trained on.")
    validation_images: int = Field(description="Images held back to choose the epoch.")
    training_accuracy: Fraction = Field(
        description="Accuracy at the best epoch on the training images, augmented and with dropout."
    )
    validation_accuracy: Fraction = Field(description="Accuracy on the validation images at the best epoch.")
    parameters: int = Field(description="Weights in the model.")
    duration_s: float = Field(description="Wall-clock duration of the training, in seconds.")
    finished_at: str = Field(description="When the training ended, ISO 8601, UTC.")
    versions: dict[str, str] = Field(description="The versions of Python and of the libraries.")
    note: str | None = Field(
        None, description="How the run differed from what the command does; null if the command repeats the run."
    )


class Manifest(Record):
    """What is known about a model beyond its `.h5`."""

    manifest_version: Literal[1] = Field(1, description="The version of this format.")
    name: str = Field(min_length=1, description="The model's name.")
    sha256: Sha256 = Field(description="SHA-256 of the `.h5` that this describes.")
    labels: tuple[str, ...] = Field(min_length=2, description="The class names, in the order of the outputs.")
    input: InputSpec = Field(description="What one image is.")
    output: OutputKind | None = Field(
        None,
        description="What the outputs are: probabilities, logits (a softmax is added; of one output, the logit of the "
        "second class), log-probabilities, or sigmoid (one output, the probability of the second class); null: what "
        "the network itself tells.",
    )
    training: TrainingRecord | None = Field(None, description="How it was trained.")
    calibration: Calibration | None = Field(None, description="What was fitted on the validation images.")
    evaluation: EvaluationRecord | None = Field(None, description="How it scored on the test set.")

    @model_validator(mode="after")
    def _check_labels(self) -> Self:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels: a label occurs twice")
        return self

    @model_validator(mode="after")
    def _check_class_thresholds(self) -> Self:
        if self.calibration is not None and any(
            length != len(self.labels) for length in self.calibration.count_class_thresholds()
        ):
            raise ValueError("calibration: class_thresholds must have one value for each label")
        return self


def manifest_path(model_path: Path) -> Path:
    """Give the path of the manifest of the model at `model_path`."""
    return model_path.with_suffix(".json")


def read_manifest(model_path: Path) -> Manifest | None:
    """Read the manifest beside a model; `None` if there is none.

    Raises:
        ModelError: the file cannot be read, or is not a manifest.
    """
    path = manifest_path(model_path)
    try:
        text = read_file(path, max_bytes=_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ModelError(f"the manifest {path} cannot be read: {error.strerror}") from error
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path} is not a manifest: {where:.{_MAX_PLACE}}: {first['msg']}") from None


def write_manifest(model_path: Path, manifest: Manifest) -> None:
    """Write the manifest beside a model, atomically."""
    write_atomically(manifest_path(model_path), manifest.model_dump_json(indent=2).encode() + b"\n")
