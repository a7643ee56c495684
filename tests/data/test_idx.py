"""Reading IDX files."""

from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.idx import locate_idx, parse_idx
from fashion_api.errors import DataError
from tests.idx import encode_idx


def test_array_is_read_as_it_was_written() -> None:
    """The values and the shape are those that the file holds."""
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.testing.assert_array_equal(parse_idx(encode_idx(array), dimensions=3, name="images"), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08\x03\0\0", "not an IDX file"),
        (b"\0\0\x0d\x01" + bytes(8), "not an IDX file"),
        (encode_idx(np.zeros((2, 2), np.uint8)), "not an IDX file"),
        (encode_idx(np.zeros(5, np.uint8))[:-1], "holds 4 values, but its header says 5"),
        (encode_idx(np.zeros(5, np.uint8)) + b"x", "holds 6 values, but its header says 5"),
    ],
    ids=["empty", "short header", "floats", "two dimensions", "too short", "too long"],
)
def test_file_of_another_format_is_refused(content: bytes, message: str) -> None:
    """A file that is not an IDX file of bytes, or not as long as its header says, is refused."""
    with pytest.raises(DataError, match=message):
        parse_idx(content, dimensions=1, name="labels")


def test_gzipped_file_is_preferred(tmp_path: Path) -> None:
    """Where a file is there both gzipped and plain, the gzipped one is read."""
    for name in ("labels", "labels.gz"):
        (tmp_path / name).touch()
    assert locate_idx(tmp_path, "labels") == tmp_path / "labels.gz"
