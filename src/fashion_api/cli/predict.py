"""`fashion-api predict`: classify picture files."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import with_settings
from fashion_api.cli.pictures import STANDARD_INPUT, find_pictures
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.errors import FlagError, ImageError, WrongSizeError
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.cli.answers import Answer, Writer
    from fashion_api.images import Images
    from fashion_api.inference.loading import LoadedModel

_BATCH_SIZE = 16
_MAX_BYTES = 256 * 1024 * 1024
"""Of a file; a photograph has less than a tenth of it."""


@with_settings(
    Settings,
    model_path="The Keras `.h5` that is asked; its manifest is the `.json` beside it",
    cache_dir="The cache, which has the compiled form of the model; unset: the user's cache directory.",
)
def predict(  # noqa: PLR0913  # a parameter for each flag
    settings: Settings,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Picture files, folders of them, patterns ('*.png'), or - for stdin."),
    ],
    *,
    prepare: Annotated[
        bool,
        typer.Option("--prepare", help="Take any picture: turn it upright, make it light on black, and resize it."),
    ] = False,
    top: Annotated[int, typer.Option(min=1, metavar="N", help="Show the N most probable classes.")] = 1,
    coverage: Annotated[
        Literal["0.9", "0.95", "0.99"] | None,
        typer.Option(metavar="0.9|0.95|0.99", help="Show the classes that cannot be ruled out in this share of cases."),
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Draw each picture as the model is given it.")] = False,
    is_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per file, with all classes.")] = False,
) -> Status:
    """Say what picture files show.

    Without --prepare, a picture must have the model's size, 28×28, with the article light on black. Files that cannot
    be read are reported, the others are answered, and the exit status is 1.

    Examples:
        fashion-api predict boot.png
        fashion-api predict --prepare --show --top 3 photo.jpg
        fashion-api predict --json pictures/ > answers.jsonl
        fashion-api predict - < boot.png
    """
    if is_json and show:
        raise FlagError("--show: pictures are drawn for people; leave out --json")
    from fashion_api.cli.answers import choose_writer  # noqa: PLC0415  # only where it runs
    from fashion_api.inference.loading import load_model  # noqa: PLC0415  # the same

    with Waiting("loading the model", shows_log=True):
        model = load_model(settings)
    writer = choose_writer(is_json=is_json, top=top, coverage=coverage, is_shown=show)
    return predict_files(model, files, writer, is_prepared=prepare, coverage=coverage)


def predict_files(
    model: "LoadedModel",
    names: Sequence[str],
    writer: "Writer",
    *,
    is_prepared: bool = False,
    coverage: str | None = None,
) -> Status:
    """Classify picture files, and write what the model sees in each.

    Args:
        model: the model.
        names: files, folders, patterns and `-`.
        writer: writes the answers.
        is_prepared: whether each picture is first made into what the model takes.
        coverage: of the prediction sets; `None` for the default.

    Returns:
        `FAILED` where a file could not be classified, which is reported on standard error.
    """
    files = list(find_pictures(names))
    images: list[tuple[str, Images]] = []
    errors: list[Exception] = []
    has_refused = False
    with writer, Waiting("reading pictures") as line:
        for index, file in enumerate(files):
            try:
                images.append((file, _read(file, model, is_prepared=is_prepared)))
            except (OSError, ImageError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                print(escape_controls(f"fashion-api: {file}: {reason}"), file=sys.stderr)
                errors.append(error)
            if len(images) == _BATCH_SIZE or index == len(files) - 1:
                for answer in _classify(model, images, coverage):
                    writer.write(answer)
                    has_refused = has_refused or answer.prediction.accepted is False
                images.clear()
            line.update(f"{index + 1} of {len(files)} files", share=(index + 1) / len(files))
    summary = [f"{len(errors)} of {len(files)} files could not be classified"] if errors and len(files) > 1 else []
    if any(isinstance(error, WrongSizeError) for error in errors):
        summary.append("--prepare takes pictures of any size")
    if is_prepared and has_refused:
        summary.append("where a picture is not accepted, crop it closely on the page (`fashion-api serve`)")
    if summary:
        print(f"fashion-api: {'; '.join(summary)}", file=sys.stderr)
    return Status.FAILED if errors else Status.SUCCESS


def _read(file: str, model: "LoadedModel", *, is_prepared: bool) -> "Images":
    """Read a picture for the model: uint8[height, width].

    Raises:
        OSError: the file cannot be read.
        ImageError: it is no picture that can be classified.
    """
    content, height, width = _read_content(file), model.input.height, model.input.width
    if is_prepared:
        from fashion_api.pictures.preparation import prepare_picture  # noqa: PLC0415  # only where it runs

        return prepare_picture(content, height=height, width=width).image
    from fashion_api.pictures.decoding import decode_image  # noqa: PLC0415  # the same

    return decode_image(content, height=height, width=width)


def _read_content(file: str) -> bytes:
    if file == STANDARD_INPUT:
        content = sys.stdin.buffer.read(_MAX_BYTES + 1)
    elif os.path.isdir(file):  # noqa: PTH112  # no error where the name is too long, or a folder above is closed
        raise OSError(errno.ENOENT, "There is no picture in this folder", file)
    else:
        with Path(file).open("rb") as opened:  # it may be a pipe
            content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), file)
    return content


def _classify(
    model: "LoadedModel", pictures: "Sequence[tuple[str, Images]]", coverage: str | None
) -> "Iterator[Answer]":
    if not pictures:
        return
    import numpy as np  # noqa: PLC0415  # only where it runs

    from fashion_api.cli.answers import Answer  # noqa: PLC0415  # the same
    from fashion_api.inference.calibration import DEFAULT_COVERAGE  # noqa: PLC0415  # the same
    from fashion_api.wire.models import Prediction  # noqa: PLC0415  # the same
    from fashion_api.wire.predictions import describe_predictions  # noqa: PLC0415  # the same

    images = np.stack([image for _, image in pictures])
    described = describe_predictions(
        model, model.classifier.classify(images), images, coverage=float(coverage or DEFAULT_COVERAGE)
    )
    for (file, image), prediction in zip(pictures, described, strict=True):
        yield Answer(file, image, Prediction.model_validate(prediction))
