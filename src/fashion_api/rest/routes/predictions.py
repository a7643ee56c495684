"""Predictions for the caller's own images: arrays and base64 in JSON, files in multipart, or one raw file."""

import re
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from fashion_api.errors import Fault, ImageError, InvalidRequestError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.pictures.decoding import MEDIA_TYPES, decode_image
from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import DirectRoute, Service, answer
from fashion_api.rest.problems import INVALID, UNSUPPORTED, HttpError
from fashion_api.wire.coverage import COVERAGE_PARAMETER, read_coverage
from fashion_api.wire.examples import IMAGE_BASE64, IMAGE_ROWS
from fashion_api.wire.images import parse_images
from fashion_api.wire.models import PredictionList, PredictionRequest, UploadPredictionList
from fashion_api.wire.multipart import MultipartError, parse_multipart
from fashion_api.wire.operation import Job, Operation, RequestHead, find_header
from fashion_api.wire.predictions import describe_predictions, write_json

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"], route_class=DirectRoute)

_PART_NAME = "file"
_MULTIPART = "multipart/form-data"
_ANY_BINARY = "application/octet-stream"

_RESPONSES = errors.responses(
    errors.TOO_SLOW,
    errors.TOO_LARGE,
    errors.UNSUPPORTED,
    errors.INVALID,
    errors.NOT_READY,
    errors.OVERLOADED,
    errors.DEADLINE,
)
_JSON_BODY: dict[str, Any] = {
    "parameters": [COVERAGE_PARAMETER],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": PredictionRequest.model_json_schema(),
                "examples": {
                    "picture file": {"summary": "A PNG file in base64", "value": {"images": [IMAGE_BASE64]}},
                    "array": {"summary": "28 rows of 28 pixels", "value": {"images": [IMAGE_ROWS]}},
                },
            }
        },
    },
}
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY: dict[str, Any] = {
    "parameters": [COVERAGE_PARAMETER],
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [_PART_NAME],
                    "properties": {
                        _PART_NAME: {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One or more picture files of the model's size.",
                        }
                    },
                }
            },
            **dict.fromkeys((*MEDIA_TYPES, _ANY_BINARY), _PICTURE),
        },
    },
}


def _check_json(head: RequestHead) -> None:
    media_type = _media_type(head)
    if media_type != "application/json" and not re.fullmatch(r"application/[\w.+-]+\+json", media_type):
        raise HttpError(UNSUPPORTED, "the body must be JSON, with Content-Type: application/json")


def _read_images(service: Service, head: RequestHead, body: bytes) -> Job:
    coverage = read_coverage(head)
    spec = service.model.input
    limit = service.settings.max_images_per_request
    images = parse_images(body, height=spec.height, width=spec.width, max_images=limit)

    def write(predictions: Predictions) -> bytes:
        described = describe_predictions(service.model, predictions, coverage=coverage)
        return write_json({"model": service.model_id, "predictions": described})

    return Job(images, write)


PREDICT_IMAGES = Operation("POST", router.prefix, _read_images, _check_json)


@router.post(
    "",
    summary="Classify images sent as JSON",
    response_model=PredictionList,
    responses=_RESPONSES,
    openapi_extra=_JSON_BODY,
)
async def predict_images(request: Request) -> Response:
    """Classify one or more images; the answers come in their order.

    Each image is rows of whole numbers from 0 (black) to 255, the article light on black as in the data set; or a
    picture file in base64.
    """
    return await answer(request, PREDICT_IMAGES)


def _check_upload(head: RequestHead) -> None:
    media_type = _media_type(head)
    is_picture = media_type.startswith("image/") or media_type == _ANY_BINARY  # which one, its content tells
    if not is_picture and media_type != _MULTIPART:
        raise HttpError(
            UNSUPPORTED, f"the body must be multipart/form-data, or a picture of the type {', '.join(MEDIA_TYPES)}"
        )


def _read_upload(service: Service, head: RequestHead, body: bytes) -> Job:
    coverage = read_coverage(head)
    files = _read_multipart(service, head, body) if _media_type(head) == _MULTIPART else [(None, body)]
    spec = service.model.input
    images = decode_files([content for _, content in files], spec.height, spec.width)

    def write(predictions: Predictions) -> bytes:
        described = describe_predictions(service.model, predictions, coverage=coverage)
        for prediction, (name, _) in zip(described, files, strict=True):
            prediction["filename"] = name
        return write_json({"model": service.model_id, "predictions": described})

    return Job(images, write)


PREDICT_UPLOAD = Operation("POST", f"{router.prefix}/upload", _read_upload, _check_upload)


@router.post(
    "/upload",
    summary="Classify uploaded pictures",
    response_model=UploadPredictionList,
    responses=_RESPONSES,
    openapi_extra=_UPLOAD_BODY,
)
async def predict_upload(request: Request) -> Response:
    """Classify one or more picture files, in multipart parts named `file`, or one picture as the raw body.

    They must have the model's size; colours become grey. The answers come in the order of the files.
    """
    return await answer(request, PREDICT_UPLOAD)


def _read_multipart(service: Service, head: RequestHead, body: bytes) -> list[tuple[str | None, bytes]]:
    """Read the name and content of each uploaded file."""
    try:
        parts = parse_multipart(body, find_header(head.headers, b"content-type"))
    except MultipartError as error:
        raise HttpError(INVALID, f"the multipart body cannot be read: {error}") from None
    if not parts:
        raise _wrong_part("there is no part")
    if len(parts) > service.settings.max_images_per_request:
        limit = service.settings.max_images_per_request
        raise HttpError(INVALID, f"the body holds {len(parts)} files, but one request may hold {limit}")
    for part in parts:
        if part.name != _PART_NAME:
            raise _wrong_part(f"there is one named '{part.name[:100]}'")
        if part.filename is None:
            raise _wrong_part("there is one that holds a text, and no file")
    return [(_base_name(part.filename), part.content) for part in parts]


def _wrong_part(found: str) -> HttpError:
    return HttpError(INVALID, f"each picture must be a file in a part named '{_PART_NAME}', but {found}")


def decode_files(contents: list[bytes], height: int, width: int) -> Images:
    """Decode picture files to uint8[n, height, width].

    Raises:
        ImageError: the one picture cannot be classified.
        InvalidRequestError: some of several cannot; says which, and why.
    """
    if len(contents) == 1:
        return decode_image(contents[0], height=height, width=width)[np.newaxis]
    images = np.empty((len(contents), height, width), np.uint8)
    faults = []
    for position, content in enumerate(contents):
        try:
            images[position] = decode_image(content, height=height, width=width)
        except ImageError as error:
            faults.append(Fault(f"{_PART_NAME}[{position}]", str(error)))
    if faults:
        raise InvalidRequestError(faults)
    return images


def _media_type(head: RequestHead) -> str:
    return find_header(head.headers, b"content-type").partition(";")[0].strip().lower()


def _base_name(filename: str | None) -> str | None:
    """Leave out the folders that some clients send, in either system's way of writing."""
    return re.split(r"[/\\]", filename)[-1] if filename else None
