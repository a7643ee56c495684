"""Counting the fields of messages before they are parsed."""

import pytest
from google.protobuf.message import Message

from fashion_api.errors import InvalidRequestError
from fashion_api.rpc.amounts import check_amount
from fashion_api.rpc.messages import open_inference_pb2 as v2
from tests.rpc.serving import images, make_prediction, make_request

VALUES = 1000


def check(content: bytes, message: type[Message], *, most: int) -> None:
    """Check a message."""
    check_amount(content, message, most_fields=most, most_values=VALUES)


def count(message: Message) -> int:
    """Count the fields of a message: the least limit that it passes."""
    content = message.SerializeToString()
    for most in range(1000):
        try:
            check(content, type(message), most=most)
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
        pytest.param(b"\xff" * 1_000_000, id="a tag without an end"),
        pytest.param(b"\x2a\xff", id="a length that is cut"),
        pytest.param(b"\x2a\x05\x00", id="a length beyond the end"),
        pytest.param(b"\x0f", id="no type"),
        pytest.param(b"\x0b\x0c", id="groups"),
        pytest.param(b"\x2a\x01\xff", id="no message within"),
        pytest.param(b"\x2a\x02\x0a\x05" + b"x" * 10, id="beyond the end of the one around"),
        pytest.param(b"\x0d\x00", id="a number that is cut"),
    ],
)
def test_what_is_no_message_is_refused(content: bytes) -> None:
    """Its parser would refuse it too, when it has made all that comes before."""
    with pytest.raises(InvalidRequestError, match=r"the message is no inference\.ModelInferRequest"):
        check(content, v2.ModelInferRequest, most=100)


def test_packed_numbers_are_limited() -> None:
    """By the bytes that so many of them may have."""
    request = make_request()
    numbers = request.inputs[0].contents.uint_contents
    numbers.extend([0] * VALUES * 10)
    check(request.SerializeToString(), v2.ModelInferRequest, most=100)
    numbers.append(0)
    with pytest.raises(InvalidRequestError, match="more than the 1000 numbers"):
        check(request.SerializeToString(), v2.ModelInferRequest, most=100)


def test_bytes_are_not_limited() -> None:
    """Pixels and pictures are as large as a message may be."""
    check(make_request(images(*[3] * 256)).SerializeToString(), v2.ModelInferRequest, most=100)
