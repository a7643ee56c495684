"""Counting what is in a message before it is parsed: two bytes of it may become a hundred in memory."""

from typing import Any

from google.protobuf.message import Message

from fashion_api.errors import Fault, InvalidRequestError

_VARINT, _EIGHT_BYTES, _SIZED, _FOUR_BYTES = 0, 1, 2, 5
_GROUPS = (3, 4)


def check_amount(content: bytes, message: type[Message], *, most: int) -> None:
    """Check that a message has no more than so many fields, those of messages in it too.

    What is no message is passed over, for its parser to refuse. The numbers of a packed field are one field.

    Raises:
        InvalidRequestError: it has more.
    """
    try:
        left = most - _count(content, message.DESCRIPTOR, most)
    except IndexError:  # it ends in the midst of a field
        return
    if left < 0:
        raise InvalidRequestError([Fault("", f"the message has more than the {most} fields that are accepted")])


def _count(content: bytes, kind: Any, most: int) -> int:  # noqa: ANN401  # a descriptor, of which there are two types
    """Count fields, up to one more than `most`."""
    count = 0
    parts: list[tuple[int, int, Any]] = [(0, len(content), kind)]
    while parts:
        at, end, descriptor = parts.pop()
        fields = descriptor.fields_by_number
        while at < end and count <= most:
            count += 1
            tag, at = _read_varint(content, at)
            wire_type = tag & 7
            if wire_type == _VARINT:
                _, at = _read_varint(content, at)
            elif wire_type == _EIGHT_BYTES:
                at += 8
            elif wire_type == _FOUR_BYTES:
                at += 4
            elif wire_type == _SIZED:
                size, at = _read_varint(content, at)
                field = fields.get(tag >> 3)
                if field is not None and field.message_type is not None:
                    parts.append((at, at + size, field.message_type))
                at += size
            elif wire_type not in _GROUPS:
                return count
    return count


def _read_varint(content: bytes, at: int) -> tuple[int, int]:
    """Give a number, and where it ends."""
    value = shift = 0
    while (byte := content[at]) & 0x80:
        value |= (byte & 0x7F) << shift
        shift += 7
        at += 1
    return value | byte << shift, at + 1
