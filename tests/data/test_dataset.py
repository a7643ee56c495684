"""Finding, verifying and reading the data set."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data.dataset import DataSource, Form, Split
from fashion_api.data.fashion_mnist import FASHION_MNIST_SHA256
from fashion_api.errors import DataError, DataNotFoundError, UnknownTestImageError
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from tests.idx import write_small_data_set, write_split


def own_source(directory: Path, *, labels: tuple[str, ...] = ("a", "b"), shape: tuple[int, int] = (4, 5)) -> DataSource:
    """Make a source of another data set than Fashion-MNIST, in one directory."""
    return DataSource((directory,), labels, Form(*shape), digests=None)


class TestRealDataSet:
    """Fashion-MNIST itself, as `make test` has provided it."""

    def test_test_set_is_the_published_one(self, settings: Settings) -> None:
        """The test set is found, verified, and has the 10,000 images in the published order."""
        source = DataSource.from_settings(Settings(_env_file=None))
        split = source.load("test")
        assert (split.images.shape, split.labels[:5].tolist()) == ((10_000, 28, 28), [9, 2, 1, 1, 6])
        assert np.bincount(split.labels).tolist() == [1000] * 10
        assert settings.class_names == FASHION_MNIST_LABELS

    def test_training_set_is_the_published_one(self) -> None:
        """The training set is found, verified, and has 6,000 images of each class."""
        split = DataSource.from_settings(Settings(_env_file=None)).load("train")
        assert (len(split), np.bincount(split.labels).tolist()) == (60_000, [6000] * 10)


@pytest.mark.parametrize("compress", [True, False], ids=["gzip", "plain"])
def test_own_data_set_of_any_size_is_read(tmp_path: Path, *, compress: bool) -> None:
    """Another data set in the same format, with two classes and images of 4×5, is read as it is."""
    images = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)
    write_split(tmp_path, "test", images, np.array([0, 1], np.uint8), compress=compress)
    split = own_source(tmp_path).load("test")
    np.testing.assert_array_equal(split.images, images)
    assert split.labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    "changes",
    [{"class_names": ("a", "b")}, {"image_height": 20}, {"image_width": 20}],
    ids=["class names", "height", "width"],
)
def test_directory_with_other_labels_or_size_holds_another_data_set(tmp_path: Path, changes: dict[str, object]) -> None:
    """With other class names or another image size, Fashion-MNIST's digests do not apply to the data directory."""
    settings = Settings(_env_file=None, data_dir=tmp_path).model_copy(update=changes)
    source = DataSource.from_settings(settings)
    assert (source.directories, source.digests) == ((tmp_path,), None)


def test_set_directory_is_the_only_place(tmp_path: Path) -> None:
    """Where a data directory is set, Fashion-MNIST is looked for there and nowhere else, and verified."""
    settings = Settings(_env_file=None, data_dir=tmp_path)
    source = DataSource.from_settings(settings)
    assert (source.directories, source.digests) == ((tmp_path,), FASHION_MNIST_SHA256)


def test_set_directory_without_the_data_set_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A wrong data directory is reported, though the data set is in another place."""
    settings = Settings(_env_file=None, data_dir=tmp_path / "wrong")
    with pytest.raises(DataNotFoundError, match=f"{tmp_path}/wrong: .*data fetch.*FASHION_DATA_DIR"):
        DataSource.from_settings(settings).load("test")


def test_places_are_searched_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no data directory is set, the cache comes first, then Keras's cache, then Debian's package."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = Settings(_env_file=None, cache_dir=tmp_path / "cache")
    assert DataSource.from_settings(settings).directories == (
        tmp_path / "cache" / "fashion-mnist",
        tmp_path / "home" / ".keras" / "datasets" / "fashion-mnist",
        Path("/usr/share/datasets/fashion-mnist"),
    )


def test_directory_with_half_of_a_split_is_passed_over(tmp_path: Path) -> None:
    """A directory that holds only one of the two files does not hold the split."""
    for name in ("half", "whole"):
        write_small_data_set(tmp_path / name)
    (tmp_path / "half" / "t10k-labels-idx1-ubyte.gz").unlink()
    source = DataSource((tmp_path / "half", tmp_path / "whole"), ("a", "b"), Form(4, 5), digests=None)
    assert source.find("test") == tmp_path / "whole"


def test_missing_data_set_is_an_error_that_says_how_to_get_it(tmp_path: Path) -> None:
    """Where Fashion-MNIST is in none of the places, the error names them and the ways to get it."""
    source = DataSource(
        (tmp_path / "here", tmp_path / "there"), FASHION_MNIST_LABELS, Form(28, 28), digests=FASHION_MNIST_SHA256
    )
    with pytest.raises(DataNotFoundError, match=r"here, .*there: .*fashion-api data fetch.*FASHION_DATA_DIR"):
        source.load("test")


def test_missing_other_data_set_is_not_said_to_be_downloadable(tmp_path: Path) -> None:
    """Where another data set is missing, the error does not suggest a download, which would give Fashion-MNIST."""
    with pytest.raises(
        DataNotFoundError,
        match=r"nowhere: put IDX files, an .npz file or folders of pictures there, or set FASHION_DATA_DIR",
    ):
        own_source(tmp_path / "nowhere").load("test")


def test_model_of_other_classes_has_no_usual_data_set() -> None:
    """Fashion-MNIST is no data set of a model of other classes, unless the settings give its classes these names."""
    digits = tuple("0123456789")
    with pytest.raises(DataNotFoundError, match="are not Fashion-MNIST's; set FASHION_DATA_DIR"):
        DataSource.from_settings(Settings(), labels=digits, shape=(28, 28)).load("test")
    renamed = Settings.model_validate({"class_names": digits})
    assert DataSource.from_settings(renamed, labels=digits, shape=(28, 28)).directories


@pytest.mark.parametrize("name", ["idx3", "idx4"])
def test_images_in_colour_have_four_dimensions(tmp_path: Path, name: str) -> None:
    """An IDX file of four dimensions has images in colour, whose size and colours need not be set."""
    images = np.arange(120, dtype=np.uint8).reshape(2, 4, 5, 3)
    write_split(tmp_path, "test", images, np.array([0, 1], np.uint8), compress=False)
    (tmp_path / "t10k-images-idx3-ubyte").rename(tmp_path / f"t10k-images-{name}-ubyte")
    split = DataSource.from_settings(Settings.model_validate({"data_dir": tmp_path})).load("test")
    np.testing.assert_array_equal(split.images, images)
    assert split.names == ("class 0", "class 1")


def test_altered_file_is_not_read(tmp_path: Path) -> None:
    """A file of Fashion-MNIST that is not the published one is refused before it is parsed."""
    write_small_data_set(tmp_path)
    source = DataSource((tmp_path,), FASHION_MNIST_LABELS, Form(28, 28), FASHION_MNIST_SHA256)
    with pytest.raises(DataError, match="SHA-256 differs"):
        source.load("test")


def write_sums(directory: Path) -> None:
    """Write SHA256SUMS, as the command sha256sum does."""
    rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in directory.glob("*.gz")]
    (directory / "SHA256SUMS").write_text("".join(rows))


def test_own_data_set_is_compared_with_its_sums(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With SHA256SUMS beside it, an unaltered data set is read without a warning."""
    write_small_data_set(tmp_path)
    write_sums(tmp_path)
    assert len(own_source(tmp_path).load("test")) == 6
    assert caplog.records == []


def test_own_data_set_that_differs_from_its_sums_is_refused(tmp_path: Path) -> None:
    """With SHA256SUMS beside it, an altered file is refused."""
    write_small_data_set(tmp_path)
    write_sums(tmp_path)
    write_small_data_set(tmp_path, size=8)
    with pytest.raises(DataError, match="SHA256SUMS"):
        own_source(tmp_path).load("test")


def test_own_data_set_without_sums_is_read_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without SHA256SUMS, the data set is read, and a warning says that it was not verified."""
    write_small_data_set(tmp_path)
    own_source(tmp_path).load("test")
    assert "unverified" in caplog.text


class TestFilesThatDoNotFit:
    """Files that can be read, but contradict each other or the settings."""

    def test_images_of_another_size(self, tmp_path: Path) -> None:
        """Images of another size than is set are refused, with both sizes."""
        write_small_data_set(tmp_path)
        with pytest.raises(DataError, match="4×5 pixels, not 28×28"):
            own_source(tmp_path, shape=(28, 28)).load("test")

    def test_fewer_labels_than_images(self, tmp_path: Path) -> None:
        """A split with fewer labels than images is refused."""
        write_split(tmp_path, "test", np.zeros((3, 4, 5), np.uint8), np.zeros(2, np.uint8))
        with pytest.raises(DataError, match="3 test images, but 2 labels"):
            own_source(tmp_path).load("test")

    def test_class_without_a_name(self, tmp_path: Path) -> None:
        """A class id for which there is no name is refused."""
        write_small_data_set(tmp_path, classes=3)
        with pytest.raises(DataError, match=r"class 2.*2 class names"):
            own_source(tmp_path).load("test")

    def test_no_image_at_all(self, tmp_path: Path) -> None:
        """A split of no images is refused."""
        write_split(tmp_path, "test", np.zeros((0, 4, 5), np.uint8), np.zeros(0, np.uint8))
        with pytest.raises(DataError, match="0 test images"):
            own_source(tmp_path).load("test")

    def test_broken_gzip(self, tmp_path: Path) -> None:
        """A compressed file that is cut short is refused."""
        write_small_data_set(tmp_path)
        path = tmp_path / "t10k-images-idx3-ubyte.gz"
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(DataError, match="not a whole gzip file"):
            own_source(tmp_path).load("test")


def test_arrays_cannot_be_changed(tmp_path: Path) -> None:
    """The arrays are read-only, since all requests share them."""
    write_small_data_set(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        own_source(tmp_path).load("test").images[0, 0, 0] = 1


@pytest.mark.parametrize("index", [-1, 2, 10**30])
def test_index_that_no_image_has_is_refused(index: int) -> None:
    """An index is refused unless an image has it, counted from 0."""
    split = Split(np.zeros((2, 4, 5), np.uint8), np.zeros(2, np.uint8), "")
    with pytest.raises(UnknownTestImageError, match="0 to 1"):
        split.check_index(index)
