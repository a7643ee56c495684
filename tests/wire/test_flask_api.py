"""The original Flask API."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_api.errors import BodyTooLargeError, FashionError, InvalidRequestError, UnknownTestImageError
from fashion_api.wire.flask_api import PREDICT_LABEL, read_image_number, write_actual_label
from fashion_api.wire.operation import RequestHead
from tests.fakes import fake_service
from tests.wire.asking import ask, list_places, read_json


def test_prediction_is_a_label() -> None:
    """`/predict` answers with the label that the model sees, as a JSON string."""
    assert read_json(ask(PREDICT_LABEL, fake_service(), query=b"test_image_num=10")) == "Trouser"


def test_actual_class_is_a_label() -> None:
    """`/real` answers with the label of what the image shows, as a JSON string."""
    head = RequestHead((), b"test_image_num=10", ())
    assert read_json(write_actual_label(fake_service(), head, b"")) == "T-shirt/top"


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_media_type_of_the_body_does_not_matter(content_type: str) -> None:
    """The body is read as JSON, whatever it is declared as."""
    reply = ask(PREDICT_LABEL, fake_service(), b'{"test_image_num": 10}', content_type=content_type)
    assert read_json(reply) == "Trouser"


@pytest.mark.parametrize(
    ("query", "body", "number"),
    [
        (b"test_image_num=7", b"", 7),
        (b"", b'{"test_image_num": 7}', 7),
        (b"", b'{"test_image_num": 7.0}', 7),
        (b"", b'{"test_image_num": "7"}', 7),
        (b"test_image_num=7", b"nonsense", 7),
        (b"test_image_num=-1", b"", -1),
    ],
    ids=["query", "body", "a float", "a string", "query before body", "negative"],
)
def test_number_is_in_the_query_or_the_body(query: bytes, body: bytes, number: int) -> None:
    """The index is read from the query, or else from the JSON body."""
    assert read_image_number(RequestHead((), query, ()), body) == number


@pytest.mark.parametrize(
    ("query", "body"),
    [
        (b"", b""),
        (b"", b"{}"),
        (b"", b'{"test_image_num": null}'),
        (b"", b'{"test_image_num": true}'),
        (b"", b'{"test_image_num": 1.5}'),
        (b"", b'{"test_image_num": NaN}'),
        (b"", b'{"test_image_num": [1]}'),
        (b"test_image_num=abc", b""),
        (b"test_image_num=1.5", b""),
        (b"test_image_num=", b""),
    ],
    ids=["nothing", "no field", "null", "true", "a fraction", "NaN", "a list", "a word", "1.5", "empty"],
)
def test_request_without_a_whole_number_is_refused(query: bytes, body: bytes) -> None:
    """A request whose `test_image_num` is missing or no whole number is refused; `true` is no number."""
    with pytest.raises(InvalidRequestError) as caught:
        read_image_number(RequestHead((), query, ()), body)
    assert list_places(caught.value) == ["test_image_num"]


@pytest.mark.parametrize("body", [b"[]", b"nonsense", b"null"], ids=["a list", "no JSON", "null"])
def test_body_that_is_no_object_is_refused(body: bytes) -> None:
    """A body that is not a JSON object is refused."""
    with pytest.raises(InvalidRequestError):
        read_image_number(RequestHead((), b"", ()), body)


@pytest.mark.parametrize("number", ["-1", "30", str(10**30)], ids=["negative", "one too many", "huge"])
def test_number_that_no_image_has_is_unknown(number: str) -> None:
    """An index that no test image has is refused."""
    with pytest.raises(UnknownTestImageError):
        ask(PREDICT_LABEL, fake_service(), query=f"test_image_num={number}".encode())


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
def test_any_json_is_read_or_refused(value: object) -> None:
    """Whatever JSON value is sent as the index, it is read or refused."""
    with suppress(FashionError):
        read_image_number(RequestHead((), b"", ()), json.dumps({"test_image_num": value}).encode())


def test_large_body_is_refused_unparsed() -> None:
    """A body that is far larger than a number is refused before it is parsed, which would hold up other requests."""
    with pytest.raises(BodyTooLargeError, match="16384 bytes"):
        read_image_number(RequestHead((), b"", ()), b"[" + b"[]," * 10_000 + b"0]")
