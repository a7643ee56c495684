"""Counting what is in a message before it is parsed: two bytes of it may become a hundred in memory."""

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from fashion_api.errors import InvalidRequestError
from fashion_api.wire.validation import wrong

_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
_SIZES = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_VARINT_BYTES = 10
"""The most bytes of a number."""
_OF_BYTES = (FieldDescriptor.CPPTYPE_STRING, FieldDescriptor.CPPTYPE_MESSAGE)


def check_amount(content: bytes, message: type[Message], *, most_fields: int, most_values: int) -> None:
    """Check that a message has no more than so many fields, those of messages in it too.

    Args:
        content: the message, as it came.
        message: what it is to be.
        most_fields: the most fields; the numbers of a packed one are one field.
        most_values: the most numbers of a packed field.

    Raises:
        InvalidRequestError: it has more, or is none.
    """
    left = most_fields
    parts: list[tuple[int, int, Any]] = [(0, len(content), message.DESCRIPTOR)]
    while parts:
        at, end, descriptor = parts.pop()
        fields = descriptor.fields_by_number
        while at < end:
            left -= 1
            if left < 0:
                raise _wrong(f"has more than the {most_fields} fields that are accepted")
            tag, at = _read_varint(content, at, message)
            wire_type = tag & 7
            if wire_type == _VARINT:
                _, at = _read_varint(content, at, message)
            elif wire_type == _SIZED:
                size, at = _read_varint(content, at, message)
                field = fields.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    parts.append((at, at + size, field.message_type))
                elif field is not None and field.cpp_type not in _OF_BYTES and size > most_values * _VARINT_BYTES:
                    raise _wrong(f"has more than the {most_values} numbers in one field that are accepted")
                at += size
            else:
                at += _SIZES.get(wire_type, len(content))
            if at > end:
                raise name_mistake(message)


def name_mistake(message: type[Message]) -> InvalidRequestError:
    """Make the error that bytes are no such message."""
    return _wrong(f"is no {message.DESCRIPTOR.full_name}")


def _read_varint(content: bytes, at: int, message: type[Message]) -> tuple[int, int]:
    """Give a number, and where it ends."""
    value = 0
    for place, byte in enumerate(content[at : at + _VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004  # the first bit says that there are more
            return value, at + place + 1
    raise name_mistake(message)


def _wrong(message: str) -> InvalidRequestError:
    return wrong("", f"the message {message}")
