"""Preparations: a picture of any size as the model takes it, to be looked at before it is classified."""

from typing import Any

from fastapi import APIRouter, Request, Response

from fashion_api.pictures.file_types import MEDIA_TYPES
from fashion_api.rest.dependencies import answer_in_steps
from fashion_api.rest.openapi import OF_A_BODY, OF_A_PREDICTION, describe_parameters, name_operation, responses
from fashion_api.wire.models import Preparation
from fashion_api.wire.native import BINARY, FORM, check_upload
from fashion_api.wire.preparations import prepare_upload
from fashion_api.wire.queries import PreparationQuery
from fashion_api.wire.uploads import PART_NAME

router = APIRouter(tags=["predictions"], generate_unique_id_function=name_operation)

_FILE = {
    "type": "string",
    "format": "binary",
    "contentMediaType": BINARY,
    "description": "A picture file of any size up to 16 megapixels; a JPEG up to 50.",
}
_CONTENT: dict[str, Any] = {
    FORM: {
        "schema": {
            "title": "PreparationForm",
            "type": "object",
            "required": [PART_NAME],
            "properties": {PART_NAME: _FILE},
            "description": "A picture file to prepare.",
        }
    },
    **{media_type: {"schema": _FILE} for media_type in (*MEDIA_TYPES, BINARY)},
}


@router.post(
    "/api/v1/preparations",
    summary="Prepare a picture of any size",
    response_model=Preparation,
    responses=responses(*OF_A_BODY, *OF_A_PREDICTION),
    openapi_extra={
        "parameters": describe_parameters(query=PreparationQuery),
        "requestBody": {"required": True, "content": _CONTENT},
    },
)
async def prepare_picture(request: Request) -> Response:
    """Bring a picture, as a form part named `file` or as the raw body, to what the model takes.

    It is turned upright, turned, cropped, made grey for a model that takes grey images, inverted, and resampled to the
    model's size. Nothing is classified: look at the image, and send it to `/api/v1/predictions`.
    """
    return await answer_in_steps(request, check_upload, prepare_upload)
