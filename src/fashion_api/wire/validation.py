"""Checks values against pydantic models, and raises what is wrong with them as faults of the request."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from fashion_api.errors import Fault, InvalidRequestError

_LONG_NUMBER = 10**12
_LONGEST_NUMBER = 10**300

ModelT = TypeVar("ModelT", bound=BaseModel)


def validate(model: type[ModelT], value: object, *, context: object = None) -> ModelT:
    """Make an instance of `model` from a value that a caller sent.

    Raises:
        InvalidRequestError: the value does not fit the model; says where, and what is accepted.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        raise InvalidRequestError(list_faults(error.errors(include_url=False, include_context=False))) from None


def wrong(where: str, message: str) -> InvalidRequestError:
    """Make the error that one thing is wrong with a request; `where` is as in a `Fault`."""
    return InvalidRequestError([Fault(where, message)])


def list_faults(errors: Iterable[ErrorDetails], *, within: Sequence[int | str] = ()) -> list[Fault]:
    """Describe the errors of a `ValidationError`; `within` is the location of the value that was validated."""
    return [Fault(write_location((*within, *error["loc"])), describe_error(error)) for error in errors]


def write_location(location: Sequence[int | str]) -> str:
    """Write a location of pydantic's as in `images[0][3]`; an empty one is an empty text."""
    written = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return written.removeprefix(".")


def make_error(message: str) -> PydanticCustomError:
    """Make the error that a validator raises; the message follows the location, as in `images[0]: has 27 rows`."""
    return PydanticCustomError("invalid_value", "{message}", {"message": message})


def name_json_type(value: object) -> str:
    """Name the JSON type of a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def name_value(value: object) -> str:
    """Write a value that is wrong so that it can be recognised, but not at length: numbers as they are."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return name_json_type(value)
    if isinstance(value, int) and abs(value) > _LONGEST_NUMBER:  # too large for a float
        return "a number of more than 300 digits"
    return f"{value:.6g}" if isinstance(value, float) or abs(value) > _LONG_NUMBER else str(value)


def to_whole_number(value: object) -> int | None:
    """Give a whole number of JSON, also one that is written as 1.0; `None` for any other value."""
    if type(value) is float and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def describe_error(error: ErrorDetails) -> str:
    """Say what is wrong with a value, as the words that follow its location."""
    if error["type"] == "missing":
        return "is missing"
    if error["type"] == "model_type":  # pydantic's message names a Python class
        subject = "" if error["loc"] else "the body "
        return f"{subject}must be an object, not {name_json_type(error['input'])}"
    return error["msg"].replace("Input should be", "must be")
