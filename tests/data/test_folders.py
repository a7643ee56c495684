"""Reading data sets of folders of pictures."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError, DataNotFoundError
from fashion_api.pictures.data_set import find_data_set
from fashion_api.settings import Settings
from tests.colour_pictures import CLASSES, write_folders


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """Pictures of three classes in colour, of 10×12 pixels, in folders for training and for the test."""
    write_folders(tmp_path / "flowers", {"train": 12, "test": 6}, height=10, width=12)
    return tmp_path / "flowers"


def load(directory: Path, split: str = "train", **changes: object) -> Split:
    settings = Settings.model_validate({"data_dir": directory, **changes})
    return find_data_set(settings).load("train" if split == "train" else "test")


def test_folders_are_the_classes(flowers: Path) -> None:
    """The classes are the folders' names, sorted, and each picture is of its folder's class."""
    split = load(flowers)
    assert split.names == CLASSES
    assert np.bincount(split.labels).tolist() == [4, 4, 4]
    red = split.images[split.labels == CLASSES.index("poppy")][:, 5, 6]
    assert (red[:, 0] > red[:, 2] + 50).all()


def test_size_and_colours_are_those_of_the_pictures(flowers: Path) -> None:
    """Where nothing is set, the images have the size and the channels that the pictures have."""
    assert load(flowers).images.shape == (12, 10, 12, 3)
    assert load(flowers, "test").images.shape == (6, 10, 12, 3)


def test_pictures_become_what_is_set(flowers: Path) -> None:
    """Pictures are resized to the size that is set, and become grey for a model of grey images."""
    assert load(flowers, image_height=8, image_width=9, channels=1).images.shape == (12, 8, 9)


def test_grey_pictures_are_grey_images(tmp_path: Path) -> None:
    """Where all pictures are grey, so are the images."""
    for name in ("cross", "nought"):
        (tmp_path / name).mkdir()
        for number in range(2):
            Image.new("L", (5, 4), 10 * number).save(tmp_path / name / f"{number}.png")
    assert load(tmp_path).images.shape == (2, 4, 5)


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    """A picture that is turned by its EXIF data is read upright, and measured so."""
    write_folders(tmp_path, {"train": 3}, height=6, width=9)
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in sorted(tmp_path.glob("train/*/*")):
        with Image.open(path) as picture:
            turned = picture.copy()
        path.unlink()
        turned.save(path.with_suffix(".jpg"), exif=exif)
    assert load(tmp_path).images.shape[1:] == (9, 6, 3)


def test_images_are_mixed_and_always_the_same(flowers: Path) -> None:
    """The images are not in the order of the classes, and a second reading gives the same images in the same order."""
    first, second = load(flowers), load(flowers)
    assert first.labels.tolist() != sorted(first.labels.tolist())
    np.testing.assert_array_equal(first.images, second.images)
    assert first.sha256 == second.sha256


def test_digest_is_of_names_and_contents(flowers: Path) -> None:
    """A picture that is renamed, and one that is altered, give another digest."""
    digests = {load(flowers).sha256}
    picture = next(flowers.glob("train/daisy/*.png"))
    picture.rename(picture.with_name("renamed.png"))
    digests.add(load(flowers).sha256)
    Image.new("RGB", (12, 10)).save(picture.with_name("renamed.png"))
    digests.add(load(flowers).sha256)
    assert len(digests) == 3


def test_set_names_give_the_order(flowers: Path) -> None:
    """FASHION_CLASS_NAMES gives the order of the classes."""
    split = load(flowers, class_names=CLASSES[::-1])
    assert split.names == CLASSES[::-1]
    assert load(flowers).labels.tolist() == (2 - split.labels).tolist()


class TestUndivided:
    """Folders that are not divided into pictures to train on and to test with."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Five pictures of each class."""
        write_folders(tmp_path, {"": 15})
        return tmp_path

    def test_a_fifth_of_each_class_is_held_back(self, directory: Path) -> None:
        """One picture in five of each class is for the test, always the same, and is not trained on."""
        train, test = load(directory), load(directory, "test")
        assert [np.bincount(split.labels).tolist() for split in (train, test)] == [[4] * 3, [1] * 3]
        assert not {image.tobytes() for image in train.images} & {image.tobytes() for image in test.images}
        np.testing.assert_array_equal(load(directory, "test").images, test.images)

    def test_it_is_said(self, directory: Path, caplog: pytest.LogCaptureFixture) -> None:
        """The log says that pictures are held back."""
        caplog.set_level(logging.INFO, logger="fashion_api.data.folders")
        load(directory, "test")
        assert "a fifth of each class, always the same, is held back" in caplog.text

    def test_class_of_one_picture_is_refused(self, directory: Path) -> None:
        """A class of which nothing would be left is refused, by its picture's name."""
        (directory / "rose").mkdir()
        shutil.copy(next(directory.glob("daisy/*.png")), directory / "rose" / "only.png")
        with pytest.raises(DataError, match=r"rose/only\.png is the only picture of its class"):
            load(directory)


class TestFaults:
    """Folders that are no data set."""

    def test_class_without_pictures(self, flowers: Path) -> None:
        """An empty folder is refused by its name, though it has a file that is no picture."""
        (flowers / "train" / "rose").mkdir()
        (flowers / "train" / "rose" / "notes.txt").write_text("none yet")
        with pytest.raises(DataError, match="flowers/train/rose has no pictures"):
            load(flowers)

    def test_one_class(self, flowers: Path) -> None:
        """One class alone is refused by its name."""
        for name in CLASSES[1:]:
            shutil.rmtree(flowers / "train" / name)
        with pytest.raises(DataError, match="the class 'daisy' alone; two or more are needed"):
            load(flowers)

    @pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"], ids=["empty", "text", "cut short"])
    def test_unreadable_picture(self, flowers: Path, content: bytes) -> None:
        """A picture that cannot be read is named, with the reason."""
        (flowers / "train" / "daisy" / "0.png").write_bytes(content)
        with pytest.raises(DataError, match=r"flowers/train/daisy/0\.png: .*(empty|not a picture|cut short)"):
            load(flowers)

    def test_sizes_that_differ(self, flowers: Path) -> None:
        """Pictures of several sizes are refused where none is set, with both sizes and what to set."""
        Image.new("RGB", (30, 20)).save(flowers / "train" / "daisy" / "large.png")
        with pytest.raises(DataError, match=r"differ in size \(.*20×30.*set FASHION_IMAGE_HEIGHT and FASHION_IMAGE_W"):
            load(flowers)
        assert load(flowers, image_height=8, image_width=8).images.shape == (13, 8, 8, 3)

    def test_class_that_is_not_among_the_names(self, flowers: Path) -> None:
        """A folder that FASHION_CLASS_NAMES does not name is refused."""
        with pytest.raises(DataError, match="flowers/train/violet is of no class: they are daisy, poppy"):
            load(flowers, class_names=CLASSES[:2])

    def test_more_than_fits_the_memory(self, flowers: Path) -> None:
        """Pictures that would take too much memory are refused before one is read; the size comes from the settings."""
        daisies = flowers / "train" / "daisy"
        for number in range(1400):
            (daisies / f"link{number}.png").symlink_to("missing.png")
        with pytest.raises(DataError, match=r"the 1412 train pictures in .*flowers would take more than"):
            load(flowers, image_height=1024, image_width=1024, channels=3)

    def test_altered_picture(self, flowers: Path) -> None:
        """With a SHA256SUMS beside the folders, a picture that is not in it is refused."""
        (flowers / "SHA256SUMS").write_text("")
        with pytest.raises(DataError, match=r"does not have the SHA-256 that .*SHA256SUMS gives"):
            load(flowers)

    def test_nothing_there(self, tmp_path: Path) -> None:
        """A directory without any data set is an error that says what is looked for."""
        with pytest.raises(DataNotFoundError, match="no train images"):
            load(tmp_path, class_names=CLASSES)


def test_class_whose_name_cannot_be_written_is_refused(tmp_path: Path) -> None:
    """A folder whose name is not UTF-8, which no manifest could have, is named before any training."""
    write_folders(tmp_path, {"train": 6, "test": 3}, height=4, width=5)
    (tmp_path / "train" / CLASSES[0]).rename(tmp_path / "train" / os.fsdecode(b"caf\xe9"))
    with pytest.raises(DataError, match=r"the class 'caf\\udce9', a name that is not UTF-8"):
        load(tmp_path)
