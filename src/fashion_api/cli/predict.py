"""`fashion-api predict`: classify picture files."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

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
    from fashion_api.pictures.resizing import Resize

_BATCH_SIZE = 16
_MAX_BYTES = 256 * 1024 * 1024
"""Of a file; a photograph has less than a tenth of it."""


@with_settings(
    Settings,
    "resize",
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

    Without --prepare, a picture of another size than the model's is resized, or reported, as --resize says; nothing
    else is done to it. Files that cannot be read are reported, the others are answered, and the exit status is 1.

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
    from fashion_api.pictures.resizing import choose_resize  # noqa: PLC0415  # the same

    with Waiting("loading the model", shows_log=True):
        model = load_model(settings)
    writer = choose_writer(is_json=is_json, top=top, coverage=coverage, is_shown=show)
    resize = choose_resize(settings, model.input)
    return predict_files(model, files, writer, is_prepared=prepare, coverage=coverage, resize=resize)


def predict_files(  # noqa: PLR0913  # what the flags say
    model: "LoadedModel",
    names: Sequence[str],
    writer: "Writer",
    *,
    is_prepared: bool = False,
    coverage: str | None = None,
    resize: "Resize | None" = None,
) -> Status:
    """Classify picture files, and write what the model sees in each.

    Args:
        model: the model.
        names: files, folders, patterns and `-`.
        writer: writes the answers.
        is_prepared: whether each picture is first made into what the model takes.
        coverage: of the prediction sets; `None` for the default.
        resize: how a picture of another size that is not prepared is resized; `None`: it is an error.

    Returns:
        `FAILED` where a file could not be classified, which is reported on standard error.
    """
    files = list(find_pictures(names))
    pictures: list[_Picture] = []
    errors: list[Exception] = []
    has_refused = False
    with writer, Waiting("reading pictures") as line:
        for index, file in enumerate(files):
            try:
                pictures.append(_read(file, model, is_prepared=is_prepared, resize=resize))
            except (OSError, ImageError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                print(escape_controls(f"fashion-api: {file}: {reason}"), file=sys.stderr)
                errors.append(error)
            if len(pictures) == _BATCH_SIZE or index == len(files) - 1:
                for answer in _classify(model, pictures, coverage):
                    writer.write(answer)
                    has_refused = has_refused or answer.prediction.accepted is False
                pictures.clear()
            line.update(f"{index + 1} of {len(files)} files", share=(index + 1) / len(files))
    summary = [f"{len(errors)} of {len(files)} files could not be classified"] if errors and len(files) > 1 else []
    if any(isinstance(error, WrongSizeError) for error in errors):
        summary.append("--prepare takes pictures of any size")
    if is_prepared and has_refused:
        summary.append("where a picture is not accepted, crop it closely on the page (`fashion-api serve`)")
    if summary:
        print(f"fashion-api: {'; '.join(summary)}", file=sys.stderr)
    return Status.FAILED if errors else Status.SUCCESS


class _Picture(NamedTuple):
    """A file, and what the model is given of it."""

    file: str
    image: "Images"
    resized: "Resize | None" = None


def _read(file: str, model: "LoadedModel", *, is_prepared: bool, resize: "Resize | None") -> _Picture:
    """Read a picture for the model.

    Raises:
        OSError: the file cannot be read.
        ImageError: it is no picture that can be classified.
    """
    from fashion_api.pictures.decoding import decode_image  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.preparation import Options, prepare_picture  # noqa: PLC0415  # the same
    from fashion_api.pictures.resizing import FITS  # noqa: PLC0415  # the same

    content, spec = _read_content(file), model.input
    prepare = partial(prepare_picture, content, height=spec.height, width=spec.width, channels=spec.channels)
    if is_prepared:
        prepared = prepare(Options())
        is_resized = (prepared.source_height, prepared.source_width) != spec.size
        return _Picture(file, prepared.image, "fit" if is_resized else None)
    try:
        image = decode_image(content, height=spec.height, width=spec.width, channels=spec.channels)
        return _Picture(file, image)
    except WrongSizeError:
        if resize is None:
            raise
    return _Picture(file, prepare(Options(invert=False, fit=FITS[resize])).image, resize)


def _read_content(file: str) -> bytes:
    if file == STANDARD_INPUT:
        content = sys.stdin.buffer.read(_MAX_BYTES + 1)
    elif os.path.isdir(file):  # noqa: PTH112  # no error where the name is too long, or a folder above is closed
        os.listdir(f"{file}/.")  # noqa: PTH208  # an error where it is closed, in either way
        raise OSError(errno.ENOENT, "There is no picture in this folder", file)
    else:
        with Path(file).open("rb") as opened:  # it may be a pipe
            content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), file)
    return content


def _classify(model: "LoadedModel", pictures: "Sequence[_Picture]", coverage: str | None) -> "Iterator[Answer]":
    if not pictures:
        return
    import numpy as np  # noqa: PLC0415  # only where it runs

    from fashion_api.cli.answers import Answer  # noqa: PLC0415  # the same
    from fashion_api.inference.calibration import DEFAULT_COVERAGE  # noqa: PLC0415  # the same
    from fashion_api.wire.models import Prediction  # noqa: PLC0415  # the same
    from fashion_api.wire.predictions import describe_predictions  # noqa: PLC0415  # the same

    images = np.stack([picture.image for picture in pictures])
    described = describe_predictions(
        model,
        model.classifier.classify(images),
        images,
        coverage=float(coverage or DEFAULT_COVERAGE),
        resized={place: picture.resized for place, picture in enumerate(pictures) if picture.resized is not None},
    )
    for (file, image, _), prediction in zip(pictures, described, strict=True):
        yield Answer(file, image, Prediction.model_validate(prediction))
