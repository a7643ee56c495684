"""Files that are written whole or not at all."""

import stat
from pathlib import Path

import pytest

from fashion_api.files import sha256_hex, write_atomically


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
