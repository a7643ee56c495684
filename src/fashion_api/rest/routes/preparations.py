"""Preparations: a picture of any size as the model takes it, to be looked at before it is classified."""

from fastapi import APIRouter, Request, Response

from fashion_api.rest.dependencies import read_decoded
from fashion_api.rest.openapi import (
    OF_A_BODY,
    OF_A_PREDICTION,
    describe_parameters,
    describe_upload,
    name_operation,
    responses,
)
from fashion_api.rest.problems import to_response
from fashion_api.rest.taken_request import take_request
from fashion_api.wire.models import Preparation
from fashion_api.wire.native import BINARY, check_upload
from fashion_api.wire.preparations import prepare_upload
from fashion_api.wire.queries import PreparationQuery

router = APIRouter(tags=["predictions"], generate_unique_id_function=name_operation)

_FILE = {
    "type": "string",
    "format": "binary",
    "contentMediaType": BINARY,
    "description": "A picture file of any size up to 16 megapixels; a JPEG up to 50.",
}


@router.post(
    "/api/v1/preparations",
    summary="Prepare a picture of any size",
    response_model=Preparation,
    responses=responses(*OF_A_BODY, *OF_A_PREDICTION),
    openapi_extra={
        "parameters": describe_parameters(query=PreparationQuery),
        "requestBody": describe_upload("PreparationForm", "A picture file to prepare.", file=_FILE, part=_FILE),
    },
)
async def prepare_picture(request: Request) -> Response:
    """Bring a picture, as a form part named `file` or as the raw body, to what the model takes.

    It is turned upright, turned, cropped, made grey for a model that takes grey images, inverted, and resampled to the
    model's size. Nothing is classified: look at the image, and send it to `/api/v1/predictions`.
    """
    taken = take_request(request.scope, request.receive)
    service = taken.service
    check_upload(taken.head)
    with service.body_memory.hold() as held:  # until it is answered: it may take long, beside other requests
        steps = prepare_upload(service, taken.head, await read_decoded(taken, held))
        timeout_s = service.settings.request_timeout_s
        return to_response(await service.preparer.run(steps, deadline=taken.deadline, timeout_s=timeout_s))
