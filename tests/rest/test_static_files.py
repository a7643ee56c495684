"""Static files: compressed where the caller accepts it, kept by the caller."""

import gzip
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from fashion_api.rest.static_files import CompressedFiles

SCRIPT = b"let picture = 1;\n" * 1000


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    (tmp_path / "page.js").write_bytes(SCRIPT)
    app = FastAPI()
    app.mount("/files", CompressedFiles(tmp_path))
    return TestClient(app, headers={"Accept-Encoding": "identity"})


def get(client: TestClient, **headers: str) -> tuple[bytes, str | None]:
    """The bytes that are sent for the script, and their coding."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    with client.stream("GET", "/files/page.js", headers=names) as answer:
        return b"".join(answer.iter_raw()), answer.headers.get("content-encoding")


@pytest.mark.parametrize("accepted", ["gzip", "br, GZIP;q=0.5", "gzip; q=1.0, *;q=0"])
def test_file_is_compressed_for_who_accepts_it(client: TestClient, accepted: str) -> None:
    """It is sent in gzip, as often as it is asked for, and is whole."""
    for _ in range(2):
        content, coding = get(client, accept_encoding=accepted)
        assert (coding, gzip.decompress(content)) == ("gzip", SCRIPT)
        assert len(content) < len(SCRIPT) / 10


@pytest.mark.parametrize("accepted", ["identity", "", "br", "gzip;q=0", "gzip; q=0.000", "not-gzip"])
def test_file_is_sent_as_it_is_to_who_accepts_no_gzip(client: TestClient, accepted: str) -> None:
    """A caller that does not say that it reads gzip gets none."""
    assert get(client, accept_encoding=accepted) == (SCRIPT, None)


def test_part_of_a_file_is_of_the_file_itself(client: TestClient) -> None:
    """A range counts the bytes of the file, not those of its compressed form."""
    assert get(client, accept_encoding="gzip", range="bytes=4-10") == (SCRIPT[4:11], None)


@pytest.mark.parametrize("accepted", ["gzip", "identity"])
def test_caller_may_keep_a_file(client: TestClient, accepted: str) -> None:
    """It is kept apart from the one in another coding, and asked for each time; 304 says that it is the same."""
    headers = {"Accept-Encoding": accepted}
    answer = client.get("/files/page.js", headers=headers)
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("public, no-cache", "accept-encoding")
    again = client.get("/files/page.js", headers={**headers, "If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])


def test_changed_file_is_sent_anew(client: TestClient, tmp_path: Path) -> None:
    """A tag of an earlier file is answered with the file."""
    before = client.get("/files/page.js").headers["etag"]
    (tmp_path / "page.js").write_bytes(b"let picture = 2;\n")
    assert client.get("/files/page.js", headers={"If-None-Match": before}).content == b"let picture = 2;\n"
