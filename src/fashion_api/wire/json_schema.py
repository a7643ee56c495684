"""Completes the JSON schemas and their examples with what only the model and the settings can say."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from fashion_api.images import Images
from fashion_api.inference.manifest import InputSpec
from fashion_api.service.limits import find_max_explained
from fashion_api.service.service import Service
from fashion_api.wire.examples import (
    describe_confusions,
    describe_explanation,
    describe_labelled_image,
    describe_labelled_prediction,
    describe_listed_image,
    describe_prediction,
    describe_preparation,
    draw_image,
    encode_image,
)
from fashion_api.wire.inference_terms import name_outputs
from fashion_api.wire.predictions import identify_model
from fashion_api.wire.tensors import list_shapes

BOUND: Final = "x-bound"
"""The keyword of a schema or an example that is completed later: names the one of `Bounds` that it waits for."""
PICTURE_BASE64: Final = "picture-base64"
"""The format of a string that is a picture file of the model's size in base64."""
PICTURE_FILE: Final[dict[str, Any]] = {
    BOUND: "base64",
    "format": PICTURE_BASE64,
    "contentEncoding": "base64",
    "contentMediaType": "image/png",
}
"""What the schema of such a string has."""
CROP: Final = "crop"
"""The format of a string that names a part of a picture."""


class Schema(BaseModel):
    """What an answer is described by."""

    # An answer has all of its fields, and a generated client need not ask whether it does.
    model_config = ConfigDict(frozen=True, protected_namespaces=(), json_schema_serialization_defaults_required=True)


Bounds = Mapping[str, Mapping[str, Any]]
"""What each kind of incomplete schema or example gets."""

_OF_PATTERNS: Final = re.compile(r"[.*+?^${}()|\[\]\\]")
_ESCAPED: Final = r"\\\g<0>"

# No enumeration: generators of clients leave out operations that have one of numbers.
QUARTER_TURNS: Final[dict[str, Any]] = {"type": "integer", "minimum": 0, "maximum": 270, "multipleOf": 90}


def make_bounds(service: Service) -> Bounds:
    """Give what the service's model and settings say."""
    model = service.model
    spec, labels = model.input, list(model.labels)
    picture = encode_image(spec)
    prediction = describe_prediction(labels)
    most = 1 if service.settings.serving_default_range == "0-1" else 255
    return {
        "labels": {"enum": labels},
        # Of an answer; no enumeration, so that generated clients read the answers of another model too.
        "label": {"examples": labels},
        "rows": {"minItems": spec.height, "maxItems": spec.height},
        "row": _describe_row(spec, {"type": "integer", "minimum": 0, "maximum": 255}),
        "images": {"maxItems": service.max_images},
        "base64": {"examples": [picture]},
        "base64_request": {"value": {"images": [picture]}},
        "rows_request": {"value": {"images": [draw_image(spec).tolist()]}},
        "model": {"examples": [identify_model(model)]},
        "prediction": {"examples": [prediction]},
        "named_prediction": {"examples": [{**prediction, "filename": "picture.png"}]},
        "labelled_image": {"examples": [describe_labelled_image(labels)]},
        "labelled_prediction": {"examples": [describe_labelled_prediction(model)]},
        "listed_image": {"examples": [describe_listed_image(labels)]},
        "confusion_matrix": {"examples": [describe_confusions(model)]},
        "preparation": {"examples": [describe_preparation(spec)]},
        "explained_images": {"maxItems": find_max_explained(service.settings, spec)},
        "explanation": {"examples": [describe_explanation(labels, spec)]},
        "served_name": _describe_only(service.served_name),
        "served_version": _describe_only(str(service.settings.served_version)),
        "serving_value": {"maximum": most},
        "serving_row": _describe_row(spec, {"type": "number", "minimum": 0, "maximum": most}),
        "serving_floats": {"value": {"instances": [_scale(draw_image(spec), most)]}},
        "serving_pixels": {"value": {"signature_name": "pixels", "instances": [draw_image(spec).tolist()]}},
        "serving_pictures": {"value": {"signature_name": "images", "instances": [{"b64": picture}]}},
        "served_input": _describe_only(service.settings.served_input),
        "served_output": {"enum": list(name_outputs(service))},
        "tensor_shape": _describe_shapes([(1, *shape[1:]) for shape in list_shapes(spec)]),
        "tensor_data": {"minItems": math.prod(spec.shape), "maxItems": math.prod(spec.shape)},
        "picture_shape": _describe_shapes([(1,), (1, 1)]),
        "tensor_request": _make_request(service, "UINT8", list_shapes(spec)[0][1:], draw_image(spec).ravel().tolist()),
        "picture_request": _make_request(service, "BYTES", (), [picture]),
    }


def _make_request(service: Service, datatype: str, image_shape: Sequence[int], data: list[Any]) -> dict[str, Any]:
    """Give the example of an inference request with one image."""
    tensor = {"name": service.settings.served_input, "shape": [1, *image_shape], "datatype": datatype, "data": data}
    return {"value": {"inputs": [tensor]}}


def _describe_shapes(shapes: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Describe a list of numbers that is one of these; it stays a list to generators, by an `allOf` of one part."""
    return {"allOf": [{"anyOf": [_describe_shape(shape) for shape in shapes]}], "examples": [list(shapes[0])]}


def _describe_shape(shape: Sequence[int]) -> dict[str, Any]:
    lengths = [{"type": "integer", "minimum": length, "maximum": length} for length in shape]
    return {"prefixItems": lengths, "minItems": len(shape), "maxItems": len(shape)}


def _describe_only(name: str) -> dict[str, Any]:
    """Describe the one name that is found; of an enumeration, generators would make a type for each path."""
    return {"pattern": f"^{_OF_PATTERNS.sub(_ESCAPED, name)}$", "examples": [name]}


def _scale(image: Images, most: int) -> list[Any]:
    scaled: list[Any] = (image * (most / 255)).round(4).tolist()
    return scaled


def _describe_row(spec: InputSpec, value: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {"minItems": spec.width, "maxItems": spec.width}
    if spec.channels == 1:
        return row
    pixel = {"type": "array", "items": value, "minItems": spec.channels, "maxItems": spec.channels}
    return {**row, "items": {**pixel, "description": "A pixel: red, green and blue."}}


def complete_schemas(document: object, bounds: Bounds | None) -> None:
    """Complete all schemas in a document, in place; without bounds, they are left as wide as they are."""
    if isinstance(document, dict):
        kind = document.pop(BOUND, None)
        if kind is not None and bounds is not None:
            document.update(bounds[kind])
        for value in document.values():
            complete_schemas(value, bounds)
    elif isinstance(document, list):
        for value in document:
            complete_schemas(value, bounds)
