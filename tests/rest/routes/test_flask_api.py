"""The two routes of the original Flask API."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize(("path", "label"), [("/predict", "Trouser"), ("/real", "T-shirt/top")])
def test_query_parameter_is_answered_with_a_json_string(client: TestClient, path: str, label: str) -> None:
    """An index in the query is answered with the class's name as a JSON string."""
    assert client.get(path, params={"test_image_num": 10}).json() == label


@pytest.mark.parametrize(("path", "label"), [("/predict", "Trouser"), ("/real", "T-shirt/top")])
def test_json_body_is_answered_with_a_json_string(client: TestClient, path: str, label: str) -> None:
    """An index in a JSON body is answered as the original API did."""
    assert client.request("GET", path, json={"test_image_num": 10}).json() == label


@pytest.mark.parametrize("path", ["/predict", "/real"])
@pytest.mark.parametrize(
    ("value", "status"),
    [("-1", 404), ("30", 404), (str(10**30), 404), ("abc", 422), ("1.5", 422), ("", 422)],
    ids=["negative", "one too many", "huge", "a word", "a fraction", "empty"],
)
def test_index_that_no_image_has(client: TestClient, path: str, value: str, status: int) -> None:
    """A number that no test image has is answered 404; what is no whole number, 422."""
    assert client.get(path, params={"test_image_num": value}).status_code == status


@pytest.mark.parametrize(("path", "label"), [("/predict", "Trouser"), ("/real", "T-shirt/top")])
@pytest.mark.parametrize(("coding", "encode"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_body_with_a_content_coding_is_read(
    client: TestClient, path: str, label: str, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    """Both routes read a body in gzip or deflate, as every other route does."""
    body = encode(b'{"test_image_num": 10}')
    assert client.request("GET", path, content=body, headers={"Content-Encoding": coding}).json() == label
