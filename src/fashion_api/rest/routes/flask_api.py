"""The two routes of the original Flask API, as its clients know them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError

from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import ServiceDep, TestSetDep, read_body

router = APIRouter(tags=["original API"])


class TestImageNumber(BaseModel):
    """The JSON body that the original API takes."""

    test_image_num: int = Field(description="The image's place in the test set, from 0.", examples=[0])


async def get_test_image_num(
    request: Request,
    service: ServiceDep,
    test_set: TestSetDep,
    test_image_num: Annotated[
        int | None, Query(description="The image's place in the test set, from 0.", examples=[0])
    ] = None,
) -> int:
    """Give the index in the query or else in the JSON body, if a test image has it."""
    if test_image_num is None:
        body = await read_body(request, service.settings)
        try:
            test_image_num = TestImageNumber.model_validate_json(body or b"{}").test_image_num
        except ValidationError as error:
            raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in error.errors()]) from None
    return test_set.check_index(test_image_num)


TestImageNum = Annotated[int, Depends(get_test_image_num)]

_RESPONSES = errors.responses(
    errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA, errors.OVERLOADED, errors.DEADLINE
)


@router.get("/predict", summary="Name the class that the model sees in a test image", responses=_RESPONSES)
async def predict(index: TestImageNum, service: ServiceDep, test_set: TestSetDep) -> str:
    """`test_image_num` is a query parameter, or stands in a JSON body; the answer is a JSON string."""
    predictions = await service.batcher.classify(test_set.images[index : index + 1])
    return service.model.labels[int(predictions.class_ids[0])]


@router.get("/real", summary="Name the class that a test image actually shows", responses=_RESPONSES)
async def real(index: TestImageNum, service: ServiceDep, test_set: TestSetDep) -> str:
    """`test_image_num` is a query parameter, or stands in a JSON body; the answer is a JSON string."""
    return service.model.labels[int(test_set.labels[index])]
