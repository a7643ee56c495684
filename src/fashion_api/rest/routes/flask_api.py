"""The two routes of the original Flask API, as its clients know them."""

from typing import Any

from fastapi import Request, Response

from fashion_api.rest import problems
from fashion_api.rest.dependencies import OperationRouter, read_request
from fashion_api.rest.openapi import OF_A_BODY, OF_A_PREDICTION, describe_parameters, responses
from fashion_api.rest.problems import to_response
from fashion_api.wire.flask_api import PREDICT_LABEL, ImageNumber, write_actual_label

router = OperationRouter(tags=["original API"])

_PROBLEMS = (problems.NOT_FOUND, problems.NO_DATA, *OF_A_BODY, *OF_A_PREDICTION)
_DESCRIPTION = (
    "`test_image_num` is a query parameter; it may stand in a JSON body instead, as in the original API. The answer is "
    "a JSON string."
)
_PARAMETERS: dict[str, Any] = {"parameters": describe_parameters(query=ImageNumber)}

router.add_operation(
    PREDICT_LABEL,
    name="predict_label",
    summary="Name the class that the model sees in a test image",
    description=_DESCRIPTION,
    response_model=str,
    responses=responses(*_PROBLEMS),
    openapi_extra=_PARAMETERS,
)


@router.get(
    "/real",
    summary="Name the class that a test image actually shows",
    description=_DESCRIPTION,
    response_model=str,
    responses=responses(*_PROBLEMS),
    openapi_extra=_PARAMETERS,
)
async def get_actual_label(request: Request) -> Response:
    """Name the class that a test image actually shows."""
    taken, body = await read_request(request)
    return to_response(write_actual_label(taken.service, taken.head, body))
