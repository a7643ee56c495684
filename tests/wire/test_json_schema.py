"""Schemas that the model and the settings complete."""

from typing import Any

import pytest

from fashion_api.wire.json_schema import BOUND, complete_schemas, make_bounds
from tests.fakes import fake_service

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
