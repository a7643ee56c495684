"""Downloading the data set."""

import gzip
import hashlib
import socketserver
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, NamedTuple

import pytest

from fashion_api.data.dataset import FILES
from fashion_api.data.download import download
from fashion_api.errors import DataError, DataNotFoundError
from tests.idx import write_small_data_set


class Published(NamedTuple):
    """A data set as its makers published it."""

    directory: Path
    digests: dict[str, str]


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


class _BrokenHandler(socketserver.StreamRequestHandler):
    """Gives every request the same bytes."""

    answer: ClassVar[bytes]

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(self.answer)


NAMES = [name for names in FILES.values() for name in names]


@pytest.fixture
def published(tmp_path: Path) -> Published:
    """A small data set in place of Fashion-MNIST."""
    directory = tmp_path / "mirror"
    write_small_data_set(directory)
    digests = {
        name: hashlib.sha256(gzip.decompress((directory / f"{name}.gz").read_bytes())).hexdigest() for name in NAMES
    }
    return Published(directory, digests)


@pytest.fixture
def mirror(published: Published) -> Iterator[str]:
    """The address of a server that has the published files."""
    directory = published.directory
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_QuietHandler, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_missing_files_are_downloaded(published: Published, mirror: str, tmp_path: Path) -> None:
    """Into a directory that is not there yet, every file is downloaded."""
    download(tmp_path / "cache", replace=True, digests=published.digests, mirrors=[mirror])
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(f"{name}.gz" for name in NAMES)


def test_next_mirror_is_tried(published: Published, mirror: str, tmp_path: Path) -> None:
    """A mirror that does not have the files is passed over."""
    mirrors = [mirror + "nothing/", mirror]
    download(tmp_path / "cache", replace=True, digests=published.digests, mirrors=mirrors)
    assert len(list((tmp_path / "cache").iterdir())) == 4


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n\x1f\x8b", id="cut short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", id="length that is no number"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:port/\r\n\r\n", id="address that is none"),
    ],
)
def test_mirror_with_a_broken_answer_is_passed_over(
    answer: bytes, published: Published, mirror: str, tmp_path: Path
) -> None:
    """An answer that breaks HTTP is as good as none: the next mirror is asked."""
    handler = type("Handler", (_BrokenHandler,), {"answer": answer})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        mirrors = [f"http://127.0.0.1:{server.server_address[1]}/", mirror]
        try:
            download(tmp_path / "cache", replace=True, digests=published.digests, mirrors=mirrors)
        finally:
            server.shutdown()
            thread.join()
    assert len(list((tmp_path / "cache").iterdir())) == 4


def test_nothing_but_the_published_files_is_kept(published: Published, mirror: str, tmp_path: Path) -> None:
    """What a mirror gives is verified, and nothing is kept of a file that is not the published one."""
    write_small_data_set(published.directory, size=7)
    with pytest.raises(DataNotFoundError, match="not the published file"):
        download(tmp_path / "cache", replace=True, digests=published.digests, mirrors=[mirror])
    assert list((tmp_path / "cache").iterdir()) == []


def test_broken_gzip_from_a_mirror_is_not_kept(published: Published, mirror: str, tmp_path: Path) -> None:
    """An answer that is not a whole gzip file is named by its address."""
    for name in NAMES:
        (published.directory / f"{name}.gz").write_bytes(b"broken")
    with pytest.raises(DataNotFoundError, match=r"http://.*\.gz is not a whole gzip file"):
        download(tmp_path / "cache", replace=True, digests=published.digests, mirrors=[mirror])


def test_only_missing_and_damaged_files_are_downloaded(published: Published, mirror: str, tmp_path: Path) -> None:
    """A second download replaces a damaged file, and leaves the others alone."""
    cache = tmp_path / "cache"
    download(cache, replace=True, digests=published.digests, mirrors=[mirror])
    whole, damaged = (cache / f"{name}.gz" for name in FILES["test"])
    before = whole.stat().st_mtime_ns
    damaged.write_bytes(b"broken")
    download(cache, replace=True, digests=published.digests, mirrors=[mirror])
    assert whole.stat().st_mtime_ns == before
    assert damaged.read_bytes() != b"broken"


def test_uncompressed_file_is_not_downloaded_again(published: Published, mirror: str, tmp_path: Path) -> None:
    """A published file that is there uncompressed is not missing."""
    stored = gzip.decompress((published.directory / f"{NAMES[0]}.gz").read_bytes())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / NAMES[0]).write_bytes(stored)
    download(tmp_path / "own", replace=False, digests=published.digests, mirrors=[mirror])
    assert not (tmp_path / "own" / f"{NAMES[0]}.gz").exists()


def test_file_of_the_operator_is_not_replaced(published: Published, mirror: str, tmp_path: Path) -> None:
    """Without leave to replace, a file that is not the published one is an error, and stays as it is."""
    path = tmp_path / f"{NAMES[0]}.gz"
    path.write_bytes(b"precious")
    with pytest.raises(DataError, match=f"{path} is not the file that was published.* left as it is"):
        download(tmp_path, replace=False, digests=published.digests, mirrors=[mirror])
    assert path.read_bytes() == b"precious"


def test_download_without_any_mirror_says_why(tmp_path: Path) -> None:
    """When no mirror answers, the error names each with its reason."""
    with pytest.raises(DataNotFoundError, match=r"http://127\.0\.0\.1:9/.*refused"):
        download(tmp_path, replace=True, mirrors=["http://127.0.0.1:9/"])
