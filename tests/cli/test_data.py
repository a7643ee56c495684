"""`fashion-api data`."""

import os
from pathlib import Path

import pytest
from PIL import Image

from fashion_api.cli.main import run
from fashion_api.data.dataset import FILES
from tests.colour_pictures import CLASSES, write_folders
from tests.idx import write_small_data_set


@pytest.mark.usefixtures("own_data")
def test_show_draws_the_image_with_its_class(capsys: pytest.CaptureFixture[str]) -> None:
    """`data show` draws an image in the terminal and names its class."""
    assert run(["data", "show", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (5, "test image 3: dog")


@pytest.mark.usefixtures("own_data")
def test_show_saves_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --save, the image is written as a PNG."""
    path = tmp_path / "x.png"
    assert run(["data", "show", "2", "--split", "train", "--save", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert capsys.readouterr().out == f"train image 2, cat: written to {path}\n"


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize("name", ["model.h5", "model.json", "README.md", "x.jpg", "x", "folder", "folder.png", ".png"])
def test_show_saves_to_a_png_only(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model, its manifest, its card, a folder, and another type of picture are wrong calls, and nothing is lost."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.png").mkdir()
    for kept in ("model.h5", "model.json", "README.md"):
        (tmp_path / kept).write_bytes(b"content")
    assert run(["data", "show", "2", "--save", name]) == 2
    assert capsys.readouterr().err.startswith(f"fashion-api: --save: a PNG is written, and {name} is ")
    assert {path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == {b"content"}


@pytest.mark.usefixtures("own_data")
def test_show_replaces_a_link_and_not_what_it_names(tmp_path: Path) -> None:
    """A link to a model, under the name of a picture, is replaced; the model is as it was."""
    (tmp_path / "model.h5").write_bytes(b"content")
    (tmp_path / "x.PNG").symlink_to("model.h5")
    assert run(["data", "show", "2", "--save", "x.PNG"]) == 0
    assert (tmp_path / "model.h5").read_bytes() == b"content"


@pytest.mark.usefixtures("own_data")
def test_show_names_the_place_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file in the place of a folder is an error that names the file that was to be written."""
    (tmp_path / "file").write_bytes(b"")
    assert run(["data", "show", "2", "--save", "file/x.png"]) == 1
    assert capsys.readouterr().err.endswith("file/x.png: Not a directory\n")


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize("split", ["test", "train"])
@pytest.mark.parametrize("index", ["-1", "6"])
def test_index_that_no_image_has_is_an_error(index: str, split: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An index out of range is an error that names the range."""
    assert run(["data", "show", "--split", split, "--", index]) == 1
    assert f"there is no {split} image {index}: their indices are 0 to 5" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["x", "0 --scale 0", "0 --scale -1", "0 --scale 1000000", "0 --split both"])
def test_show_refuses_a_bad_value(call: str) -> None:
    """A value that `data show` cannot use is a wrong call."""
    assert run(["data", "show", *call.split()]) == 2


@pytest.mark.usefixtures("own_data")
def test_verify_reports_each_split(capsys: pytest.CaptureFixture[str]) -> None:
    """`data verify` reports the size and the place of each split."""
    assert run(["data", "verify"]) == 0
    assert "test: 6 images of 4×5" in capsys.readouterr().out


def test_verify_shows_what_a_data_set_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data verify` says how images are stored, their size and colours, and how many there are of each class."""
    write_folders(tmp_path / "flowers", {"train": 9, "test": 3}, height=8, width=9)
    assert run(["data", "verify", "--data-dir", "flowers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "train: 9 images of 8×9 pixels in colour, whole, in flowers (folders of pictures)"
    assert [line.split() for line in lines[3:]] == [["class", "train", "test"], *([name, "3", "1"] for name in CLASSES)]


def test_show_draws_a_picture_in_colour(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data show` draws and saves an image of a folder of pictures, in the size that is asked for."""
    write_folders(tmp_path / "flowers", {"": 15})
    call = ["data", "show", "1", "--data-dir", "flowers", "--image-height", "6", "--image-width", "5"]
    assert run(call) == 0
    assert len(capsys.readouterr().out.splitlines()) == 7
    assert run([*call, "--save", "flower.png"]) == 0
    with Image.open(tmp_path / "flower.png") as picture:
        assert (picture.size, picture.mode) == ((5, 6), "RGB")


def test_verify_names_the_wrong_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A data directory without the data set is an error, though the data set is elsewhere."""
    assert run(["data", "verify", "--data-dir", str(tmp_path / "wrong")]) == 1
    assert f"no train images of the data set in {tmp_path / 'wrong'}: " in capsys.readouterr().err


def test_fetch_replaces_nothing_in_the_data_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data fetch` leaves a file in the data directory as it is, though it is not Fashion-MNIST's."""
    write_small_data_set(tmp_path / "data")
    path = tmp_path / "data" / f"{FILES['train'][0]}.gz"
    before = path.read_bytes()
    assert run(["data", "fetch", "--data-dir", str(tmp_path / "data")]) == 1
    assert f"{path} is not the file that was published as Fashion-MNIST" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_fetch_mixes_nothing_into_another_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`data fetch` puts no files of Fashion-MNIST, which would be read first, beside folders of pictures."""
    write_folders(tmp_path / "flowers", {"": 30})
    assert run(["data", "fetch", "--data-dir", "flowers"]) == 1
    assert "flowers has a data set, folders of pictures" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["data", "cache"])
def test_fetch_names_the_place_that_cannot_be_written(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the directory cannot be made, one line names it and the flag."""
    (tmp_path / "file").write_bytes(b"")
    assert run(["data", "fetch", f"--{name}-dir", str(tmp_path / "file" / "x")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"fashion-api: {tmp_path}/file/x")
    assert error.endswith(f" cannot be written: Not a directory; set --{name}-dir to another place\n")


@pytest.mark.usefixtures("own_data")
def test_fetch_refuses_another_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    """Only Fashion-MNIST can be downloaded, and that is what the error says."""
    assert run(["data", "fetch"]) == 1
    assert "no other data set can be downloaded" in capsys.readouterr().err


def test_warning_is_given_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What training and test images have in common is said once."""
    write_folders(tmp_path / "flowers", {"": 30})
    assert run(["data", "verify", "--data-dir", "flowers"]) == 0
    assert capsys.readouterr().err.count("flowers has no SHA256SUMS") == 1


def test_verify_writes_out_what_cannot_be_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Controls and bytes that are no UTF-8, in the name of the directory, are written out."""
    directory = tmp_path / os.fsdecode(b"caf\xe9\x1b")
    write_folders(directory, {"train": 6, "test": 3}, height=4, width=5)
    assert run(["data", "verify", "--data-dir", str(directory)]) == 0
    assert r"caf\udce9\x1b (folders of pictures)" in capsys.readouterr().out
