"""`fashion-api data`: download, verify or show the data set."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fashion_api.cli.escaping import escape_controls
from fashion_api.cli.flags import DATA_FLAGS, with_settings
from fashion_api.cli.help import CONTEXT, Command, Group, has_colour
from fashion_api.cli.status import Status
from fashion_api.cli.terminal import Waiting
from fashion_api.errors import DataError, DataNotFoundError, FlagError
from fashion_api.settings import Settings

app = typer.Typer(
    cls=Group, add_completion=False, no_args_is_help=True, rich_markup_mode=None, context_settings=CONTEXT
)

_CACHE_DIR = "The cache, which has what was downloaded; unset: the user's cache directory."


@app.callback()
def data() -> None:
    """Download, verify or show the data set.

    The data set is looked for in FASHION_DATA_DIR, and nowhere else, where that is set; else Fashion-MNIST in the
    cache, in Keras's cache, and where Debian's package dataset-fashion-mnist puts it.

    Examples:
        fashion-api data verify
        fashion-api data show 42
    """


@app.command(cls=Command, context_settings=CONTEXT)
@with_settings(
    Settings,
    data_dir="The directory to download to, and the only one that is searched; unset: the cache.",
    cache_dir="The cache to download to; unset: the user's cache directory.",
)
def fetch(settings: Settings) -> Status:
    """Download the files of Fashion-MNIST that are missing.

    They go to FASHION_DATA_DIR where that is set, else to the cache. No file in FASHION_DATA_DIR is replaced.

    Examples:
        fashion-api data fetch
        fashion-api data fetch --data-dir fashion-mnist
    """
    from fashion_api.data.dataset import DataSource, download_directory  # noqa: PLC0415  # only where it runs
    from fashion_api.data.download import download  # noqa: PLC0415  # only where it runs

    directory = settings.data_dir or download_directory(settings.cache_dir)
    if DataSource.from_settings(settings).digests is None:
        raise DataError(
            "FASHION_CLASS_NAMES or the image size are not Fashion-MNIST's, and no other data set can be downloaded: "
            f"put its IDX files, an .npz file or folders of pictures into {directory}"
        )
    if settings.data_dir is not None and (other := _find_other_kind(settings)):
        raise DataError(
            f"{directory} has a data set, {other}; Fashion-MNIST would be read in its place: name another directory"
        )
    try:
        with Waiting("looking for a mirror") as line:
            download(
                directory,
                replace=settings.data_dir is None,
                report=lambda name, share: line.update(f"downloading {name}", share=share),
            )
    except OSError as error:
        setting = settings.name_source("cache_dir" if settings.data_dir is None else "data_dir")
        message = f"{error.filename} cannot be written: {error.strerror}; set {setting} to another place"
        raise DataError(message) from error
    print(escape_controls(f"the data set is in {directory}"))
    return Status.SUCCESS


def _find_other_kind(settings: Settings) -> str:
    """Say what else than IDX files the data set is stored as; empty where it is not, or there is none."""
    from fashion_api.pictures.data_set import find_data_set  # noqa: PLC0415  # only where it runs

    try:
        kind = find_data_set(settings).find_kind("train")
    except DataNotFoundError:
        return ""
    return "" if kind == "IDX files" else kind


@app.command(cls=Command, context_settings=CONTEXT)
@with_settings(Settings, is_service=False, **DATA_FLAGS, cache_dir=_CACHE_DIR)
def verify(settings: Settings) -> Status:
    """Check that the data set is whole, and say where and what it is, with the images of each class.

    Examples:
        fashion-api data verify
        fashion-api data verify --data-dir flowers
    """
    from fashion_api.data.dataset import FILES  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.data_set import find_data_set  # noqa: PLC0415  # the same

    source = find_data_set(settings)
    counts: dict[str, list[int]] = {}
    for number, name in enumerate(FILES):
        with Waiting(f"reading the {name} images"):
            split = source.load(name)
        where = f"in {source.find(name)} ({source.find_kind(name)})"
        print(escape_controls(f"{name}: {len(split)} images of {split.describe_form()}, whole, {where}"))
        for class_id, label in enumerate(split.names):
            counts.setdefault(label, [0] * len(FILES))[number] = int((split.labels == class_id).sum())
    width = max(map(len, counts))
    print(f"\n{'class':<{width}}  " + "  ".join(f"{name:>7}" for name in FILES))
    for label, numbers in counts.items():
        print(f"{escape_controls(label):<{width}}  " + "  ".join(f"{number:>7,}" for number in numbers))
    return Status.SUCCESS


@app.command(cls=Command, context_settings=CONTEXT)
@with_settings(Settings, is_service=False, **DATA_FLAGS, cache_dir=_CACHE_DIR)
def show(
    settings: Settings,
    index: Annotated[int, typer.Argument(metavar="INDEX", help="The image's index in its split, from 0.")],
    *,
    split: Annotated[Literal["test", "train"], typer.Option(help="Which images.")] = "test",
    save: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Write it as a PNG instead.")] = None,
    scale: Annotated[int, typer.Option(min=1, max=40, metavar="N", help="Enlarge the PNG this many times.")] = 1,
) -> Status:
    """Draw an image in the terminal, with its label.

    Examples:
        fashion-api data show 42
        fashion-api data show 0 --split train --save boot.png --scale 8
    """
    from fashion_api.files import write_atomically  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.data_set import find_data_set  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.encoding import encode_png  # noqa: PLC0415  # only where it runs
    from fashion_api.pictures.terminal import draw_colour, draw_plain  # noqa: PLC0415  # only where it runs

    if save is not None and (save.suffix.lower() != ".png" or save.is_dir()):
        raise FlagError(f"--save: a PNG is written, and {save} is {'a folder' if save.is_dir() else 'no name of one'}")
    loaded = find_data_set(settings).load(split)
    if not 0 <= index < len(loaded):
        raise DataError(f"there is no {split} image {index}: their indices are 0 to {len(loaded) - 1}")
    image, label = loaded.images[index], loaded.names[int(loaded.labels[index])]
    if save is not None:
        write_atomically(save, encode_png(image, scale=scale))
        print(escape_controls(f"{split} image {index}, {label}: written to {save}"))
        return Status.SUCCESS
    print((draw_colour if has_colour() else draw_plain)(image))
    print(escape_controls(f"{split} image {index}: {label}"))
    return Status.SUCCESS
