"""Files that are written whole or not at all."""

import os
import resource
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from fashion_api.files import read_file, sha256_hex, write_atomically


def test_file_is_written_with_its_folder_for_all_to_read(tmp_path: Path) -> None:
    """A file and the folder it is in are made, and the service's own user can read it."""
    path = tmp_path / "new" / "file"
    write_atomically(path, b"content")
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"content", 0o644)


def test_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A write that fails leaves what was there, and no temporary file."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]  # that is what fails
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


def test_digest_of_parts_is_that_of_the_whole() -> None:
    """Contents are digested one after the other (the value is FIPS 180-2's example for "abc")."""
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_hex(b"a", b"bc") == expected


def test_folders_are_made_for_their_owner_alone(tmp_path: Path) -> None:
    """Whatever the process's default is, others may write neither to the file nor to a folder that was made for it."""
    before = os.umask(0)
    try:
        write_atomically(tmp_path / "a" / "b" / "file", b"content")
    finally:
        os.umask(before)
    assert [oct(path.stat().st_mode & 0o022) for path in (tmp_path / "a").rglob("*")] == ["0o0", "0o0"]


def fill(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # as a full disk, but for the number of the error
    try:
        write_atomically(path, b"content" * 10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def be_a_folder(path: Path) -> None:
    path.mkdir()
    write_atomically(path, b"content")


def be_below_a_file(path: Path) -> None:
    path.write_bytes(b"")
    write_atomically(path / "file", b"content")


def be_too_long(path: Path) -> None:
    write_atomically(path.with_name("file" * 100), b"content")


@pytest.mark.parametrize("write", [fill, be_a_folder, be_below_a_file, be_too_long])
def test_error_names_the_file(write: Callable[[Path], None], tmp_path: Path) -> None:
    """A file that cannot be written is named in the error, not the temporary one, of which nothing is left."""
    with pytest.raises(OSError, match="file") as error:
        write(tmp_path / "file")
    assert str(error.value.filename).startswith(str(tmp_path / "file"))
    assert [path.name for path in tmp_path.iterdir() if path.name != "file"] == []


def test_file_within_the_limit_is_read(tmp_path: Path) -> None:
    """A file of exactly the limit is read, through a link too."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_file(tmp_path / "link", max_bytes=7) == b"content"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "More than 6 bytes"),
        ("link", "Too many levels of symbolic links"),
        ("folder", "Is a directory"),
        ("pipe", "Not a regular file"),
        ("/dev/zero", "Not a regular file"),
        ("missing", "No such file or directory"),
    ],
)
def test_what_is_no_file_within_the_limit_is_not_read(name: str, reason: str, tmp_path: Path) -> None:
    """A longer file, a link that may not be followed, a folder, a pipe and a device are errors that name the path."""
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=reason) as error:
        read_file(tmp_path / name, max_bytes=6, follow_links=False)
    assert str(error.value.filename) == str(tmp_path / name)
