"""Values that do not fit a pydantic model, as faults of a request."""

import pytest
from pydantic import BaseModel

from fashion_api.errors import Fault, InvalidRequestError
from fashion_api.wire.validation import validate, write_location


class Basket(BaseModel):
    """A model with a list and a model inside."""

    sizes: list[int] = []
    owner: "Owner"


class Owner(BaseModel):
    """A model inside another."""

    name: str


def find_faults(value: object) -> tuple[Fault, ...]:
    with pytest.raises(InvalidRequestError) as caught:
        validate(Basket, value)
    return caught.value.faults


def test_value_that_fits_becomes_the_model() -> None:
    """A value that fits gives an instance of the model."""
    assert validate(Basket, {"sizes": [1], "owner": {"name": "Ada"}}) == Basket(sizes=[1], owner=Owner(name="Ada"))


@pytest.mark.parametrize(
    ("location", "written"),
    [
        ((), ""),
        (("images",), "images"),
        (("images", 0, 3, 5), "images[0][3][5]"),
        (("owner", "name"), "owner.name"),
        ((0, "name"), "[0].name"),
    ],
    ids=["the whole", "a field", "indices", "a field of a field", "a field of an item"],
)
def test_location_is_written_as_in_code(location: tuple[int | str, ...], written: str) -> None:
    """A location is written as a person would write it."""
    assert write_location(location) == written


def test_every_fault_is_listed_with_its_place() -> None:
    """Each wrong part of a value is one fault."""
    faults = find_faults({"sizes": [1, "x", "y"], "owner": {"name": "Ada"}})
    assert [fault.where for fault in faults] == ["sizes[1]", "sizes[2]"]


def test_missing_field_is_named() -> None:
    """A field that is missing is a fault at its own place."""
    assert find_faults({}) == (Fault("owner", "is missing"),)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "null"),
        (True, "a boolean"),
        (1, "a number"),
        (1.5, "a number"),
        ("text", "a string"),
        ([], "a list"),
    ],
    ids=["null", "boolean", "integer", "float", "string", "list"],
)
def test_value_that_is_no_object_is_named_by_its_json_type(value: object, kind: str) -> None:
    """A message names the JSON type of what was sent, and no Python class."""
    assert find_faults(value) == (Fault("", f"the body must be an object, not {kind}"),)
    assert find_faults({"owner": value}) == (Fault("owner", f"must be an object, not {kind}"),)
