"""Schemas that the model and the settings complete."""

from typing import Any

import numpy as np
import pytest
from jsonschema_rs import Draft202012Validator

from fashion_api.wire.json_schema import BOUND, complete_schemas, make_bounds
from tests.fakes import fake_colour_model, fake_service

BOUNDS = make_bounds(fake_service(max_images_per_request=7))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rows", {"minItems": 28, "maxItems": 28}),
        ("row", {"minItems": 28, "maxItems": 28}),
        ("images", {"maxItems": 7}),
    ],
)
def test_marked_schema_gets_its_bounds(kind: str, expected: dict[str, int]) -> None:
    """A mark is replaced by what it stands for, however deep it is, and nothing else changes."""
    document: dict[str, Any] = {"a": [{"type": "array", BOUND: kind}], "b": 1}
    complete_schemas(document, BOUNDS)
    assert document == {"a": [{"type": "array", **expected}], "b": 1}


def test_mark_goes_where_nothing_is_known() -> None:
    """Without a model the schema stays wide, and its mark is not shown."""
    document: dict[str, Any] = {"type": "string", BOUND: "labels"}
    complete_schemas(document, None)
    assert document == {"type": "string"}


def test_rows_of_a_model_in_colour_hold_triples() -> None:
    """For a model in colour, the schema of a row takes the rows of its example, and none of a grey one."""
    bounds = make_bounds(fake_service(model=fake_colour_model()))
    document: dict[str, Any] = {"type": "array", "items": {"type": "integer"}, BOUND: "row"}
    complete_schemas(document, bounds)
    validator = Draft202012Validator(document)
    (image,) = bounds["rows_request"]["value"]["images"]
    assert np.shape(image) == (32, 32, 3)
    assert all(map(validator.is_valid, image))
    assert not validator.is_valid([7] * 32)
    assert not validator.is_valid([[7, 7]] * 32)
