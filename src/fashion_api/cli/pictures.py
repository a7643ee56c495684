"""The picture files that a call of the command line names: files, folders, patterns and standard input."""

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

STANDARD_INPUT = "-"
SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"})
"""Of the files in a folder that are taken for pictures."""


def find_pictures(names: Sequence[str]) -> Iterator[str]:
    """Give the files that names stand for, in their order.

    A folder stands for the pictures in it and below it, by their suffix, and a pattern (`*`, `?`, `[…]`, `**`), which
    no file is called, for the files that it matches. A name that stands for no file is given as it is.
    """
    for name in names:
        if name == STANDARD_INPUT or _is_file(name):
            yield name
        elif os.path.isdir(name):  # noqa: PTH112  # as in `_is_file`
            yield from _find_in_folder(Path(name)) or [name]
        else:
            yield from sorted(filter(_is_file, glob.glob(name, recursive=True))) or [name]  # noqa: PTH207  # any pattern


def _is_file(name: str) -> bool:
    return os.path.isfile(name)  # noqa: PTH113  # no error where the name is too long, or a folder above is closed


def _find_in_folder(folder: Path) -> list[str]:
    """List the pictures in a folder and below it, and the folders there that are closed, so that these are reported."""
    found: list[Path] = []
    closed: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=closed.append):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if not os.access(place, os.X_OK):  # its names can be read, and no file
            folders.clear()
            found.append(Path(place))
        pictures = (Path(place, name) for name in names if not name.startswith("."))
        found += [path for path in pictures if path.suffix.lower() in SUFFIXES and _is_file(str(path))]
    return sorted(map(str, [*found, *(Path(error.filename) for error in closed)]))
