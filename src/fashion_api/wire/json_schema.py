"""Completes the JSON schemas of requests with what only the model and the settings can say."""

from typing import Any, Final, NamedTuple

from fashion_api.service.service import Service

BOUND: Final = "x-bound"
"""The keyword of a schema that is completed later: names the field of `Bounds` that it waits for."""
PICTURE: Final = "picture"
"""The format of a string that is a picture file, as a rule of the model's size."""
PICTURE_BASE64: Final = "picture-base64"
"""The format of a string that is such a file in base64."""

CROP: Final = "crop"
"""The format of a string that names a part of a picture."""


class Bounds(NamedTuple):
    """What each kind of incomplete schema gets."""

    labels: dict[str, Any]
    rows: dict[str, Any]
    row: dict[str, Any]
    images: dict[str, Any]


def make_bounds(service: Service) -> Bounds:
    """Give what the service's model and settings say."""
    spec = service.model.input
    return Bounds(
        labels={"enum": list(service.model.labels)},
        rows={"minItems": spec.height, "maxItems": spec.height},
        row={"minItems": spec.width, "maxItems": spec.width},
        images={"maxItems": service.settings.max_images_per_request},
    )


def complete_schemas(document: object, bounds: Bounds | None) -> None:
    """Complete all schemas in a document, in place; without bounds, they are left as wide as they are."""
    if isinstance(document, dict):
        kind = document.pop(BOUND, None)
        if kind is not None and bounds is not None:
            document.update(getattr(bounds, kind))
        for value in document.values():
            complete_schemas(value, bounds)
    elif isinstance(document, list):
        for value in document:
            complete_schemas(value, bounds)
