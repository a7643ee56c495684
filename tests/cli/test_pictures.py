"""The picture files that a call names."""

import os
from pathlib import Path

import pytest

from fashion_api.cli.pictures import find_pictures


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures, other files, and folders."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "notes.txt", "in/c.webp", "in/.hidden/d.png", "[x].png", "none/notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["notes.txt", "-", "b.png"], ["notes.txt", "-", "b.png"]),
        (["."], ["[x].png", "a.JPG", "b.png", "in/c.webp"]),
        (["in"], ["in/c.webp"]),
        (["*.png"], ["[x].png", "b.png"]),
        (["**/*.webp"], ["in/c.webp"]),
        (["[x].png"], ["[x].png"]),
        (["[ab].*"], ["a.JPG", "b.png"]),
        (["none"], ["none"]),
        (["*.gif", "missing.png"], ["*.gif", "missing.png"]),
    ],
    ids=["files", "folder", "folder below", "pattern", "any depth", "a file first", "set", "no picture", "no match"],
)
def test_names_stand_for_files(names: list[str], found: list[str]) -> None:
    """Files stand for themselves, folders and patterns for the pictures in them; what stands for nothing is kept."""
    assert list(find_pictures(names)) == found


def test_folder_that_cannot_be_read_is_given_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder below the one that was named is not passed over where it cannot be read: reading it says why."""
    (tmp_path / "a.png").touch()
    monkeypatch.chdir(tmp_path)
    for _ in range(20):  # the path of the last ones is longer than the system takes
        Path("x" * 250).mkdir()
        os.chdir("x" * 250)
    monkeypatch.chdir(tmp_path)

    first, closed = find_pictures(["."])

    assert first == "a.png"
    assert set(closed) == {"x", "/"}
