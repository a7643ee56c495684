"""Predictions for the caller's own images: arrays and base64 in JSON, files in multipart, or one raw file."""

from typing import Any

from fastapi import APIRouter, Request, Response

from fashion_api.pictures.decoding import MEDIA_TYPES
from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import DirectRoute, answer
from fashion_api.wire.examples import IMAGE_BASE64, IMAGE_ROWS
from fashion_api.wire.models import PredictionList, UploadPredictionList
from fashion_api.wire.native import BINARY, FORM, PREDICT_IMAGES, PREDICT_UPLOAD
from fashion_api.wire.prediction_request import PredictionRequest
from fashion_api.wire.uploads import PART_NAME

router = APIRouter(prefix="/api/v1/predictions", tags=["predictions"], route_class=DirectRoute)

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
    },
}
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "required": [PART_NAME],
                    "properties": {
                        PART_NAME: {
                            "type": "array",
                            "minItems": 1,
                            "items": {"type": "string", "format": "binary"},
                            "description": "One or more picture files of the model's size.",
                        }
                    },
                }
            },
            **dict.fromkeys((*MEDIA_TYPES, BINARY), _PICTURE),
        },
    },
}


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
