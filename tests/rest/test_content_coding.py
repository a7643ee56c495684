"""Request bodies with a content coding: unpacked within the body's limit, or refused with the reason."""

import gzip
import json
import zlib

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeClient, find_service
from tests.fakes import fake_test_set

ROUTE = "/api/v1/predictions"
BODY = json.dumps({"images": [fake_test_set().images[9].tolist()]}).encode()


def post(client: TestClient, body: bytes, coding: str) -> tuple[int, str]:
    """Send a JSON body with a coding; gives the status and the detail of the problem."""
    headers = {"Content-Type": "application/json", "Content-Encoding": coding}
    response = client.post(ROUTE, content=body, headers=headers)
    return response.status_code, response.json().get("detail", "")


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(BODY), "gzip"),
        (gzip.compress(BODY), "GZIP"),
        (gzip.compress(BODY), "x-gzip"),
        (zlib.compress(BODY), "deflate"),
        (BODY, "identity"),
        (gzip.compress(BODY), " gzip\t"),
        (gzip.compress(BODY + b" " * 1_000_000), "gzip"),
    ],
    ids=["gzip", "upper case", "x-gzip", "deflate", "identity", "blanks", "large"],
)
def test_coded_body_is_read(client: TestClient, body: bytes, coding: str) -> None:
    """A body in gzip or deflate is answered as the same body without a coding."""
    assert post(client, body, coding)[0] == 200


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "x", "x-deflate", "x-identity"])
def test_other_coding_is_refused_by_name(client: TestClient, coding: str) -> None:
    """A coding that is not read is answered 415, and the answer names it and those that are."""
    status, detail = post(client, BODY, coding)
    assert (status, coding in detail, "gzip, deflate and identity" in detail) == (415, True, True)


def test_codings_of_several_headers_are_one_list(client: TestClient) -> None:
    """A second coding in a header of its own is refused as one behind a comma is."""
    headers = [("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("Content-Encoding", "br")]
    response = client.post(ROUTE, content=gzip.compress(BODY), headers=headers)
    assert (response.status_code, "'gzip, br'" in response.json()["detail"]) == (415, True)


@pytest.mark.parametrize(
    ("body", "coding", "message"),
    [
        (BODY, "gzip", "is not gzip"),
        (BODY, "deflate", "is not deflate"),
        (gzip.compress(BODY)[:-9], "gzip", "cut short"),
        (gzip.compress(BODY)[:5], "gzip", "cut short"),
        (b"", "gzip", "cut short"),
        (zlib.compress(BODY) + b"x", "deflate", "goes on after the end"),
    ],
    ids=["not gzip", "not deflate", "cut", "cut in the header", "empty", "trailing bytes"],
)
def test_broken_coded_body_is_refused(client: TestClient, body: bytes, coding: str, message: str) -> None:
    """A body that is not what its coding says is answered 422 with what is wrong."""
    status, detail = post(client, body, coding)
    assert (status, message in detail) == (422, True), detail


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(bytes(5_000_000)), "gzip"),
        (zlib.compress(bytes(5_000_000)), "deflate"),
        (gzip.compress(bytes(5_000_000))[:-4] + b"\1\0\0\0", "gzip"),
    ],
    ids=["gzip", "deflate", "gzip that says it is small"],
)
def test_body_that_unpacks_to_more_than_is_accepted_is_refused(
    make_client: MakeClient, body: bytes, coding: str
) -> None:
    """A small body that becomes a large one is answered 413: it is unpacked no further than the limit."""
    assert post(make_client(max_upload_bytes=1_000_000), body, coding)[0] == 413


def test_unpacked_bytes_count_against_the_memory_of_bodies(make_client: MakeClient) -> None:
    """What a body may become counts before it is unpacked: many small bodies cannot fill the memory."""
    client = make_client(max_upload_bytes=2_000_000, max_body_memory_bytes=2_000_000)
    with find_service(client).body_memory.hold() as other:
        other.add(1_000_000, 0.0)
        other.finish()
        assert post(client, gzip.compress(BODY + b" " * 1_500_000), "gzip")[0] == 503


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"\xef\xbb\xbf" + BODY, 200, ""),
        (BODY.decode().encode("utf-16"), 422, "UTF-16"),
        (BODY.decode().encode("utf-16-be"), 422, "UTF-16"),
        (BODY.decode().encode("utf-32-le"), 422, "UTF-16 or UTF-32"),
    ],
    ids=["UTF-8 with a mark", "UTF-16", "UTF-16 without a mark", "UTF-32"],
)
def test_encoding_of_json(client: TestClient, body: bytes, status: int, message: str) -> None:
    """A byte-order mark of UTF-8 is skipped; another encoding is named."""
    answer = post(client, body, "identity")
    assert (answer[0], message in answer[1]) == (status, True)
