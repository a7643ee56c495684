"""The test set: what is in it, what each image shows, and what the model sees in it."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import DirectRoute, ServiceDep, answer, to_response
from fashion_api.wire.labelled_images import describe_labelled_image, draw_labelled_image, list_labelled_images
from fashion_api.wire.models import LabelledImage, LabelledImagePage, LabelledPrediction
from fashion_api.wire.native import PREDICT_LABELLED_IMAGE
from fashion_api.wire.queries import ImageIndex, LabelledImagesQuery, PictureQuery

router = APIRouter(prefix="/api/v1/test-images", tags=["test images"])


@router.get(
    "", summary="List test images", responses=errors.responses(errors.INVALID, errors.NOT_READY, errors.NO_DATA)
)
async def list_test_images(service: ServiceDep, query: Annotated[LabelledImagesQuery, Query()]) -> LabelledImagePage:
    """List test images in the order of their indices: the index of each and what it actually shows."""
    return list_labelled_images(service, query)


@router.get(
    "/{index}",
    summary="Tell what a test image actually shows",
    responses=errors.responses(errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA),
)
async def get_test_image(index: ImageIndex, service: ServiceDep) -> LabelledImage:
    """Give the actual class of a test image."""
    return describe_labelled_image(service, index)


@router.get(
    "/{index}/image",
    summary="Show a test image",
    response_class=Response,
    responses={
        200: {
            "description": "The picture.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        **errors.responses(errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA),
    },
)
def get_test_image_picture(index: ImageIndex, service: ServiceDep, query: Annotated[PictureQuery, Query()]) -> Response:
    """Give the picture as it is in the data set: grey, the article light on black."""
    return to_response(draw_labelled_image(service, index, scale=query.scale))


async def predict_test_image(request: Request) -> Response:
    """Tell what the model sees in a test image, beside what it actually shows."""
    return await answer(request, PREDICT_LABELLED_IMAGE)


router.add_api_route(
    "/{index}/prediction",
    predict_test_image,
    route_class_override=DirectRoute,
    methods=["GET"],
    summary="Classify a test image",
    response_model=LabelledPrediction,
    responses=errors.responses(
        errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA, errors.OVERLOADED, errors.DEADLINE
    ),
)
