"""Parsing of JSON bodies."""

import json
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fashion_api.errors import InvalidRequestError
from fashion_api.wire.json_body import may_hold_booleans, parse_json
from tests.wire.asking import the_fault


def test_json_is_parsed() -> None:
    """JSON gives its value."""
    assert parse_json(b'{"a": [1, 2.5, "x", null, true]}') == {"a": [1, 2.5, "x", None, True]}


@pytest.mark.parametrize(
    ("text", "value"), [(b"Infinity", math.inf), (b"-Infinity", -math.inf), (b"1" + b"0" * 400, 10**400)]
)
def test_numbers_beyond_json_are_parsed(text: bytes, value: float) -> None:
    """Numbers that few parsers take are given on, so that they are refused where they stand."""
    assert parse_json(b"[" + text + b"]") == [value]


def test_not_a_number_is_parsed() -> None:
    """NaN is given on as well."""
    value = parse_json(b"NaN")
    assert isinstance(value, float)
    assert math.isnan(value)


@pytest.mark.parametrize(
    ("body", "place"),
    [(b"", "line 1 column 0"), (b'{"images": [', "line 1 column 12"), (b'{\n"images": x}', "line 2 column 11")],
    ids=["empty", "cut short", "a word"],
)
def test_place_of_the_error_is_named(body: bytes, place: str) -> None:
    """For a body that is not JSON, the message says where it stops being JSON."""
    with pytest.raises(InvalidRequestError) as caught:
        parse_json(body)
    assert the_fault(caught.value).message == f"the body is not JSON: see {place}"


def test_deep_nesting_is_refused() -> None:
    """A body that is nested too deeply is refused like one that is not JSON."""
    with pytest.raises(InvalidRequestError):
        parse_json(b"[" * 100_000)


@given(st.binary())
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    """Whatever a body holds, it is parsed or refused."""
    with suppress(InvalidRequestError):
        parse_json(body)


@given(
    value=st.booleans(),
    name=st.text(max_size=8),
    others=st.lists(st.integers(0, 255) | st.text(max_size=8) | st.lists(st.integers(0, 255)), max_size=3),
    levels=st.integers(2, 4),
)
def test_booleans_in_lists_within_lists_are_seen(*, value: bool, name: str, others: list[object], levels: int) -> None:
    """A boolean in a list within a list is seen, whatever else is in the body."""
    document: object = value
    for _ in range(levels):
        document = [*others, document, *others]
    assert may_hold_booleans(json.dumps({name: document}).encode())


@pytest.mark.parametrize(
    "document",
    [{"images": [[[0, 255]]], "trial": True}, {"images": ["trueFalsefalse"]}, {"images": [["a curl"]]}, {"real": 1}],
    ids=["rows of numbers", "a picture in base64", "a text in a list", "no list"],
)
def test_bodies_without_booleans_in_lists_are_told_apart(document: object) -> None:
    """Bodies of pictures in base64 and of rows of numbers are known to hold no booleans in lists within lists."""
    assert not may_hold_booleans(json.dumps(document).encode())
