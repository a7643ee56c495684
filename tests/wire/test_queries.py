"""The parameters of queries and paths."""

import pytest
from pydantic import BaseModel

from fashion_api.errors import Fault, InvalidRequestError
from fashion_api.wire.operation import RequestHead
from fashion_api.wire.queries import (
    LabelledImagesQuery,
    PictureQuery,
    PredictionQuery,
    read_index,
    read_query,
)
from tests.wire.asking import list_places, the_fault


def refuse(query: bytes, model: type[BaseModel]) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        read_query(RequestHead((), query, ()), model)
    return caught.value


@pytest.mark.parametrize(
    ("query", "coverage"),
    [(b"", 0.95), (b"coverage=0.9", 0.9), (b"coverage=0.90", 0.9), (b"coverage=0.99&other=1", 0.99)],
    ids=["none", "0.9", "0.90", "beside another"],
)
def test_coverage_is_read(query: bytes, coverage: float) -> None:
    """The coverage is the query's, or 0.95."""
    assert read_query(RequestHead((), query, ()), PredictionQuery).coverage == coverage


@pytest.mark.parametrize("text", ["0.5", "95", "nan", "inf", "", "much", "1e999"])
def test_other_coverage_is_refused(text: str) -> None:
    """Any other coverage is refused, with those that there are."""
    error = refuse(f"coverage={text}".encode(), PredictionQuery)
    assert the_fault(error) == Fault("coverage", "must be one of 0.9, 0.95, 0.99")


@pytest.mark.parametrize(
    ("text", "index"),
    [("0", 0), ("42", 42), ("-1", -1), ("+7", 7), ("007", 7), ("1" + "0" * 30, 10**30)],
    ids=["zero", "digits", "negative", "a sign", "leading zeros", "huge"],
)
def test_whole_number_is_an_index(text: str, index: int) -> None:
    """Any whole number is read as an index; whether an image has it is another matter."""
    assert read_index(RequestHead((text,), b"", ())) == index


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "1.5", "1.0", " 1", "1\n", "1_000", "٣", "1" * 5000],
    ids=["empty", "space", "word", "fraction", "1.0", "leading space", "line end", "underscore", "Arabic", "too long"],
)
def test_other_text_is_no_index(text: str) -> None:
    """Any other text is refused, as Python takes more for a number than the API does."""
    with pytest.raises(InvalidRequestError) as caught:
        read_index(RequestHead((text,), b"", ()))
    assert the_fault(caught.value) == Fault("index", "must be a whole number")


def test_list_of_test_images_has_defaults() -> None:
    """Without parameters, the first hundred images of all classes are listed."""
    query = read_query(RequestHead((), b"", ()), LabelledImagesQuery)
    assert (query.offset, query.limit, query.label) == (0, 100, None)


@pytest.mark.parametrize(
    ("query", "model"),
    [
        (b"offset=-1", LabelledImagesQuery),
        (b"limit=0", LabelledImagesQuery),
        (b"limit=1001", LabelledImagesQuery),
        (b"limit=x", LabelledImagesQuery),
        (b"scale=0", PictureQuery),
        (b"scale=41", PictureQuery),
        (b"scale=big", PictureQuery),
    ],
)
def test_bounds_are_checked(query: bytes, model: type[BaseModel]) -> None:
    """A parameter out of its bounds is refused and named."""
    assert list_places(refuse(query, model)) == [query.partition(b"=")[0].decode()]
