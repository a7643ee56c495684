"""Reading `.npz` files."""

import io
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import Settings
from tests.colour_pictures import CLASSES, draw_flowers, write_npz

IMAGES, LABELS = draw_flowers(6, seed=0)


def write(folder: Path, **arrays: npt.NDArray[np.generic]) -> Path:
    np.savez(folder / "data.npz", allow_pickle=False, **arrays)
    return folder / "data.npz"


def load(path: Path, **changes: object) -> Split:
    return find_data_set(Settings.model_validate({"data_dir": path, "class_names": CLASSES, **changes})).load("train")


@pytest.mark.parametrize("is_named", [True, False], ids=["file", "its folder"])
def test_arrays_are_read_as_keras_names_them(tmp_path: Path, *, is_named: bool) -> None:
    """Images in colour and labels in a column are read; the directory of the file may be named instead of it."""
    write_npz(tmp_path / "data.npz", {"train": 6, "test": 3})
    split = load(tmp_path / "data.npz" if is_named else tmp_path)
    np.testing.assert_array_equal(split.images, IMAGES)
    assert (split.labels.tolist(), split.names) == (LABELS.tolist(), CLASSES)


def test_grey_images_may_have_a_channel(tmp_path: Path) -> None:
    """Images with one channel are grey images."""
    path = write(tmp_path, x_train=IMAGES[..., :1], y_train=LABELS)
    np.testing.assert_array_equal(load(path).images, IMAGES[..., 0])


def test_classes_without_names_are_numbered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where no names are set, the classes are numbered, and a warning names the setting."""
    write(tmp_path, x_train=IMAGES, y_train=LABELS)
    settings = Settings.model_validate({"data_dir": tmp_path})
    assert find_data_set(settings).load("train").names == ("class 0", "class 1", "class 2")
    assert "set FASHION_CLASS_NAMES" in caplog.text


def write_header(folder: Path, shape: tuple[int, ...], dtype: str = "|u1") -> Path:
    """Write a file whose images are of this shape by their header, with a few bytes after it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(folder / "data.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x_train.npy", header.getvalue() + bytes(100))
    return folder / "data.npz"


@pytest.mark.parametrize(
    ("shape", "dtype", "said"),
    [
        ((1 << 20, 1 << 20, 1 << 20), "|u1", r"has \d+ bytes by its header, but \d+ are there"),
        ((1 << 10, 1 << 10), "|u1", r"has 1048576 bytes by its header, but \d+ are there"),
        ((50, 1 << 40), "|u1", "bytes by its header"),
        ((3, 8, 8), "|O", "holds object"),
        ((), "|u1", "no list of numbers"),
    ],
    ids=["far more than there is", "more than there is", "overflow", "objects", "one number"],
)
def test_header_is_judged_before_the_array_is_read(
    tmp_path: Path, shape: tuple[int, ...], dtype: str, said: str
) -> None:
    """An array that its file does not hold, or that is no array of numbers, is refused by its header."""
    with pytest.raises(DataError, match=said):
        load(write_header(tmp_path, shape, dtype))


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": IMAGES}, "has no array y_train: x_train, y_train, x_test and y_test are read, and it has x_train"),
        ({"x_train": IMAGES / 255, "y_train": LABELS}, "holds float64; pixels must be whole numbers 0–255"),
        ({"x_train": IMAGES, "y_train": np.eye(3)[LABELS]}, r"y_train holds float64 of the shape \(6, 3\)"),
        ({"x_train": IMAGES, "y_train": LABELS[:4]}, "6 train images, but 4 labels"),
        ({"x_train": IMAGES[..., :2], "y_train": LABELS}, "have the shape 6×8×8×2, which must be"),
        ({"x_train": IMAGES, "y_train": LABELS + 1}, "has a class 3, but there are only 3 class names"),
        ({"x_train": IMAGES, "y_train": LABELS - 1}, "has a class -1; classes are numbered from 0"),
        ({"x_train": IMAGES, "y_train": LABELS * 0}, "are all of class 0; two classes or more"),
    ],
    ids=["no labels", "fractions", "one-hot", "too few labels", "two channels", "beyond", "negative", "one class"],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, npt.NDArray[np.generic]], said: str) -> None:
    """Arrays of another type or shape, and labels out of range, are refused, with what is wrong."""
    with pytest.raises(DataError, match=said):
        load(write(tmp_path, **arrays))


def test_images_of_another_form_than_is_set(tmp_path: Path) -> None:
    """Images in colour for a model of grey images are refused, with both forms and the settings."""
    path = write(tmp_path, x_train=IMAGES, y_train=LABELS)
    with pytest.raises(DataError, match=r"8×8 pixels in colour, not 8×8 pixels: set .*FASHION_CHANNELS"):
        load(path, channels=1)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more"], ids=["empty", "cut short"])
def test_file_that_is_no_archive(tmp_path: Path, content: bytes) -> None:
    """A file that is no whole `.npz` is refused."""
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.npz is not a whole \.npz file"):
        load(tmp_path)


def test_damaged_file_is_refused_by_its_sum(tmp_path: Path) -> None:
    """With a SHA256SUMS beside it that has another digest, the file is refused."""
    write_npz(tmp_path / "data.npz", {"train": 6})
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  data.npz\n")
    with pytest.raises(DataError, match="SHA256SUMS"):
        load(tmp_path)
