"""Finding, verifying, reading and downloading the data set."""

import hashlib
import logging
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from fashion_api.data import dataset
from fashion_api.data.dataset import FASHION_MNIST_SHA256, FILES, DataSource, Split, download, parse_idx
from fashion_api.errors import DataError, DataNotFoundError, UnknownTestImageError
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from tests.idx import encode_idx, write_small_data_set, write_split


def own_source(directory: Path, *, labels: tuple[str, ...] = ("a", "b"), shape: tuple[int, int] = (4, 5)) -> DataSource:
    """A data set of one's own."""
    return DataSource((directory,), labels, shape, digests=None)


@pytest.fixture
def _keep_unverified_quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, logger="fashion_api.data.dataset")


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
@pytest.mark.usefixtures("_keep_unverified_quiet")
def test_own_data_set_of_any_size_is_read(tmp_path: Path, *, compress: bool) -> None:
    """Another data set in the same format, with two classes and images of 4×5, is read as it is."""
    images = np.arange(40, dtype=np.uint8).reshape(2, 4, 5)
    write_split(tmp_path, "test", images, np.array([0, 1], np.uint8), compress=compress)
    split = own_source(tmp_path).load("test")
    np.testing.assert_array_equal(split.images, images)
    assert split.labels.tolist() == [0, 1]


def test_other_class_names_make_a_data_set_of_ones_own(tmp_path: Path) -> None:
    """With class names of its own, a data directory is the only place, and Fashion-MNIST's digests do not apply."""
    settings = Settings(_env_file=None, data_dir=tmp_path, class_names=("a", "b"))
    source = DataSource.from_settings(settings)
    assert (source.directories, source.digests) == ((tmp_path,), None)


def test_places_are_looked_in_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The set directory comes first, then the cache, then Keras's own, then Debian's."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = Settings(_env_file=None, data_dir=tmp_path / "own", cache_dir=tmp_path / "cache")
    assert DataSource.from_settings(settings).directories == (
        tmp_path / "own",
        tmp_path / "cache" / "fashion-mnist",
        tmp_path / "home" / ".keras" / "datasets" / "fashion-mnist",
        Path("/usr/share/datasets/fashion-mnist"),
    )


def test_directory_with_half_of_a_split_is_passed_over(tmp_path: Path) -> None:
    """A place that holds only one of the two files does not hold the split."""
    for name in ("half", "whole"):
        write_small_data_set(tmp_path / name)
    (tmp_path / "half" / "t10k-labels-idx1-ubyte.gz").unlink()
    source = DataSource((tmp_path / "half", tmp_path / "whole"), ("a", "b"), (4, 5), digests=None)
    assert source.find("test") == tmp_path / "whole"


def test_missing_data_set_says_how_to_get_it(tmp_path: Path) -> None:
    """Where there is none, the error names the places and the ways to get one."""
    with pytest.raises(DataNotFoundError, match=r"nowhere.*fashion-api data fetch.*FASHION_DATA_DIR"):
        own_source(tmp_path / "nowhere").load("test")


def test_altered_file_is_not_read(tmp_path: Path) -> None:
    """A file that is not the published one is refused before it is read."""
    write_small_data_set(tmp_path)
    source = DataSource((tmp_path,), FASHION_MNIST_LABELS, (28, 28), FASHION_MNIST_SHA256)
    with pytest.raises(DataError, match="SHA-256 differs"):
        source.load("test")


def write_sums(directory: Path) -> None:
    """Write SHA256SUMS as the command sha256sum does."""
    rows = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in directory.glob("*.gz")]
    (directory / "SHA256SUMS").write_text("".join(rows))


def test_own_data_set_is_held_against_its_sums(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
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


def test_own_data_set_without_sums_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without SHA256SUMS, the data set is read, and the log says that nothing vouches for it."""
    write_small_data_set(tmp_path)
    own_source(tmp_path).load("test")
    assert "unverified" in caplog.text


@pytest.mark.usefixtures("_keep_unverified_quiet")
class TestFilesThatDoNotFit:
    """Files that can be read, but contradict each other or the settings."""

    def test_images_of_another_size(self, tmp_path: Path) -> None:
        """Images of another size than is set are refused, with both sizes."""
        write_small_data_set(tmp_path)
        with pytest.raises(DataError, match="4×5 pixels, not 28×28"):
            own_source(tmp_path, shape=(28, 28)).load("test")

    def test_fewer_labels_than_images(self, tmp_path: Path) -> None:
        """A label for each image, or none is believed."""
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
    """A file that is no IDX file of bytes, or not as long as it says, is refused."""
    with pytest.raises(DataError, match=message):
        parse_idx(content, dimensions=1, name="labels")


def test_arrays_cannot_be_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What was read cannot be changed by mistake: all requests share it."""
    caplog.set_level(logging.ERROR)
    write_small_data_set(tmp_path)
    with pytest.raises(ValueError, match="read-only"):
        own_source(tmp_path).load("test").images[0, 0, 0] = 1


@pytest.mark.parametrize("index", [-1, 2, 10**30])
def test_index_that_no_image_has_is_refused(index: int) -> None:
    """An index is a place in the set, counted from 0."""
    split = Split(np.zeros((2, 4, 5), np.uint8), np.zeros(2, np.uint8), "")
    with pytest.raises(UnknownTestImageError, match="0 to 1"):
        split.check_index(index)


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A small data set behind HTTP; its digests are expected in place of Fashion-MNIST's."""
    directory = tmp_path / "mirror"
    write_small_data_set(directory)
    digests = {
        name: hashlib.sha256(dataset._decompress(path, path.read_bytes())).hexdigest()  # noqa: SLF001  # only its bytes
        for names in FILES.values()
        for name in names
        for path in [directory / f"{name}.gz"]
    }
    monkeypatch.setattr(dataset, "FASHION_MNIST_SHA256", digests)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_download_brings_every_file(mirror: str, tmp_path: Path) -> None:
    """What is missing is downloaded, and can be read afterwards."""
    download(tmp_path / "cache", mirrors=[mirror], quiet=True)
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(
        f"{name}.gz" for names in FILES.values() for name in names
    )


def test_download_goes_on_to_the_next_mirror(mirror: str, tmp_path: Path) -> None:
    """A mirror that has nothing is passed over."""
    download(tmp_path / "cache", mirrors=[mirror + "nothing/", mirror], quiet=True)
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_download_keeps_nothing_that_is_not_the_published_file(mirror: str, tmp_path: Path) -> None:
    """A mirror that gives something else is not believed, and nothing of it is kept."""
    write_small_data_set(tmp_path / "mirror", size=7)
    with pytest.raises(DataNotFoundError, match="not the published file"):
        download(tmp_path / "cache", mirrors=[mirror], quiet=True)
    assert not (tmp_path / "cache").exists()


def test_download_leaves_whole_files_alone_and_mends_broken_ones(mirror: str, tmp_path: Path) -> None:
    """A second download touches only what is missing or broken."""
    cache = tmp_path / "cache"
    download(cache, mirrors=[mirror], quiet=True)
    whole, broken = cache / "t10k-images-idx3-ubyte.gz", cache / "t10k-labels-idx1-ubyte.gz"
    before = whole.stat().st_mtime_ns
    broken.write_bytes(b"broken")
    download(cache, mirrors=[mirror], quiet=True)
    assert whole.stat().st_mtime_ns == before
    assert broken.read_bytes() != b"broken"


def test_download_without_any_mirror_says_why(tmp_path: Path) -> None:
    """When no mirror answers, the error names each with its reason."""
    with pytest.raises(DataNotFoundError, match=r"http://127\.0\.0\.1:9/.*refused"):
        download(tmp_path, mirrors=["http://127.0.0.1:9/"], quiet=True)
