"""Counting the fields of messages before they are parsed."""

import pytest

from fashion_api.errors import InvalidRequestError
from fashion_api.rpc.amounts import check_amount
from fashion_api.rpc.messages import open_inference_pb2 as v2
from fashion_api.rpc.messages import tensorflow_serving_pb2 as tfs
from tests.rpc.serving import images, make_prediction, make_request


def count(message: v2.ModelInferRequest | tfs.PredictRequest) -> int:
    """Count the fields of a message: the least limit that it passes."""
    content = message.SerializeToString()
    for most in range(1000):
        try:
            check_amount(content, type(message), most=most)
        except InvalidRequestError:
            continue
        return most
    raise AssertionError("there is no end")


def test_fields_of_messages_within_are_counted() -> None:
    """One for each, and one for a packed field."""
    request = make_request()  # name, input with three fields, raw contents
    assert count(request) == 6
    request.inputs[0].contents.uint_contents.extend(range(1000))  # a message, with one field
    assert count(request) == 8
    request.parameters["x"].bool_param = True  # an entry, its key, its value, what is in that
    assert count(request) == 12


def test_the_pixels_are_one_field() -> None:
    """However many they are."""
    assert count(make_request(images(*range(10)))) == 6
    assert count(make_prediction()) < 30


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\xff", id="a tag that is cut"),
        pytest.param(b"\xff" * 20, id="a tag without an end"),
        pytest.param(b"\x2a\xff", id="a length that is cut"),
        pytest.param(b"\x2a\x05\x00", id="a length beyond the end"),
        pytest.param(b"\x0f", id="no type"),
        pytest.param(b"\x0b\x0c", id="groups"),
        pytest.param(b"\x2a\x01\xff", id="no message within"),
        pytest.param(b"\x0d\x00", id="a number that is cut"),
    ],
)
def test_what_is_no_message_is_left_to_its_parser(content: bytes) -> None:
    """It names what is wrong."""
    check_amount(content, v2.ModelInferRequest, most=5)


def test_lengths_that_lie_do_not_hide_fields() -> None:
    """A part that says that it goes on after the end is read to the end."""
    hidden = b"\x2a\x00" * 100
    with pytest.raises(InvalidRequestError, match="more than the 50 fields"):
        check_amount(b"\x2a\xff\x7f" + hidden, v2.ModelInferRequest, most=50)
