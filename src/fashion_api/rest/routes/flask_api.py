"""The two routes of the original Flask API, as its clients know them."""

from fastapi import APIRouter, Request, Response

from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import ServiceDep, answer, read_body, to_response
from fashion_api.wire.flask_api import PREDICT_LABEL, write_actual_label
from fashion_api.wire.operation import RequestHead

router = APIRouter(tags=["original API"])

_RESPONSES = errors.responses(
    errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA, errors.OVERLOADED, errors.DEADLINE
)


@router.get("/predict", summary="Name the class that the model sees in a test image", responses=_RESPONSES)
async def predict(request: Request) -> Response:
    """`test_image_num` is a query parameter, or stands in a JSON body; the answer is a JSON string."""
    return await answer(request, PREDICT_LABEL)


@router.get("/real", summary="Name the class that a test image actually shows", responses=_RESPONSES)
async def real(request: Request, service: ServiceDep) -> Response:
    """`test_image_num` is a query parameter, or stands in a JSON body; the answer is a JSON string."""
    head = RequestHead("", request.scope["query_string"], request.scope["headers"])
    return to_response(write_actual_label(service, head, await read_body(request, service.settings)))
