"""Predictions for the caller's own images: arrays and base64 in JSON, files in multipart, or one raw file."""

import asyncio
import re
from typing import Any

import numpy as np
from fastapi import APIRouter, Request, Response

from fashion_api import errors
from fashion_api.answers import to_predictions
from fashion_api.dependencies import (
    DirectRoute,
    Service,
    admit,
    find_header,
    read_body,
    to_response,
)
from fashion_api.errors import INVALID, UNSUPPORTED, HttpError
from fashion_api.examples import IMAGE_BASE64, IMAGE_ROWS
from fashion_api.exceptions import Fault, ImageError, InvalidImagesError
from fashion_api.images import MEDIA_TYPES, decode_image
from fashion_api.inference.classifier import Images
from fashion_api.multipart import MultipartError, parse_multipart
from fashion_api.payloads import parse_images
from fashion_api.schemas import NamedPrediction, PredictionList, PredictionRequest, UploadPredictionList

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"], route_class=DirectRoute)

_LARGE_BODY_BYTES = 64 * 1024  # decoding more than this would hold up the event loop for milliseconds
_PART_NAME = "file"
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
    }
}
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY: dict[str, Any] = {
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
    }
}


async def _read_json_images(request: Request, service: Service) -> Images:
    """Read the images in a JSON body."""
    media_type = _media_type(request)
    if media_type != "application/json" and not re.fullmatch(r"application/[\w.+-]+\+json", media_type):
        raise HttpError(UNSUPPORTED, "the body must be JSON, with Content-Type: application/json")
    body = await read_body(request, service.settings)
    spec = service.model.input
    limits = {"height": spec.height, "width": spec.width, "max_images": service.settings.max_images_per_request}
    if len(body) > _LARGE_BODY_BYTES:
        return await asyncio.to_thread(parse_images, body, **limits)
    return parse_images(body, **limits)


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
    service = admit(request)
    predictions = await service.batcher.classify(await _read_json_images(request, service))
    return to_response(
        PredictionList(model=service.model_id, predictions=to_predictions(service.model.labels, predictions))
    )


async def _read_files(request: Request, service: Service) -> list[tuple[str | None, bytes]]:
    """Read the name and content of each uploaded file."""
    media_type = _media_type(request)
    if media_type == "multipart/form-data":
        return await _read_multipart(request, service)
    if media_type.startswith("image/") or media_type == _ANY_BINARY:  # which picture it is, its content tells
        return [(None, await read_body(request, service.settings))]
    raise HttpError(
        UNSUPPORTED, f"the body must be multipart/form-data, or a picture of the type {', '.join(MEDIA_TYPES)}"
    )


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
    service = admit(request)
    files = await _read_files(request, service)
    images = await _decode_files([content for _, content in files], service)
    predictions = to_predictions(service.model.labels, await service.batcher.classify(images))
    return to_response(
        UploadPredictionList(
            model=service.model_id,
            predictions=[
                NamedPrediction.model_construct(**prediction.__dict__, filename=name)
                for (name, _), prediction in zip(files, predictions, strict=True)
            ],
        )
    )


async def _read_multipart(request: Request, service: Service) -> list[tuple[str | None, bytes]]:
    body = await read_body(request, service.settings)
    try:
        parts = parse_multipart(body, find_header(request, b"content-type"))
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


async def _decode_files(contents: list[bytes], service: Service) -> Images:
    if sum(map(len, contents)) > _LARGE_BODY_BYTES:
        return await asyncio.to_thread(decode_files, contents, service.model.input.height, service.model.input.width)
    return decode_files(contents, service.model.input.height, service.model.input.width)


def decode_files(contents: list[bytes], height: int, width: int) -> Images:
    """Decode picture files to uint8[n, height, width].

    Raises:
        ImageError: the one picture cannot be classified.
        InvalidImagesError: some of several cannot; says which, and why.
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
        raise InvalidImagesError(faults)
    return images


def _media_type(request: Request) -> str:
    return find_header(request, b"content-type").partition(";")[0].strip().lower()


def _base_name(filename: str | None) -> str | None:
    """Leave out the folders that some clients send, in either system's way of writing."""
    return re.split(r"[/\\]", filename)[-1] if filename else None
