"""`fashion-api predict`: classify picture files."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fashion_api.cli.flags import with_settings
from fashion_api.cli.status import Status
from fashion_api.errors import ImageError, InvalidImageError
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.inference.loading import LoadedModel

_MAX_BYTES = 64 * 1024 * 1024


@with_settings(Settings, "model_path", "cache_dir")
def predict(
    settings: Settings,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Picture files of the model's size.")],
    *,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file.")] = False,
) -> Status:
    """Classify picture files."""
    from fashion_api.inference.loading import load_model  # noqa: PLC0415  # only where it runs

    return predict_files(load_model(settings), files, is_json=is_json)


def predict_files(model: "LoadedModel", files: Sequence[Path], *, is_json: bool = False) -> Status:
    """Classify picture files, and print a line for each.

    Returns:
        `FAILED` where a file could not be classified, which is reported on standard error.
    """
    from fashion_api.pictures.decoding import decode_image  # noqa: PLC0415  # only where it runs
    from fashion_api.wire.models import Prediction  # noqa: PLC0415  # only where it runs
    from fashion_api.wire.predictions import describe_predictions  # noqa: PLC0415  # only where it runs

    status = Status.SUCCESS
    for path in files:
        try:
            image = decode_image(_read(path), height=model.input.height, width=model.input.width)
        except (OSError, ImageError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            print(f"fashion-api: {path}: {reason}", file=sys.stderr)
            status = Status.FAILED
            continue
        described = describe_predictions(model, model.classifier.classify(image[None]), image[None])
        prediction = Prediction.model_validate(described[0])
        if is_json:
            print(f'{{"file": {json.dumps(str(path))}, "prediction": {prediction.model_dump_json()}}}')
        else:
            doubt = "" if prediction.reason is None else f"; not accepted: {prediction.reason}"
            print(f"{path}: {prediction.label} ({prediction.probability:.1%}){doubt}")
    return status


def _read(path: Path) -> bytes:
    with path.open("rb") as file:  # which may be a pipe, or a device without an end
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise InvalidImageError(f"the file has more than {_MAX_BYTES} bytes")
    return content
