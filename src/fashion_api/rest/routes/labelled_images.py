"""The test set: its images, what each actually shows, and what the model sees in it."""

from typing import Annotated

from fastapi import Path, Query, Response

from fashion_api.rest import problems
from fashion_api.rest.dependencies import OperationRouter, ServiceDep
from fashion_api.rest.openapi import describe_parameters, responses
from fashion_api.rest.problems import to_response
from fashion_api.wire.labelled_images import (
    describe_confusions,
    describe_labelled_image,
    draw_labelled_image,
    list_labelled_images,
)
from fashion_api.wire.models import ConfusionMatrix, LabelledImage, LabelledImagePage, LabelledPrediction
from fashion_api.wire.native import PREDICT_LABELLED_IMAGE
from fashion_api.wire.queries import (
    ImageIndex,
    LabelledImagePath,
    LabelledImagesQuery,
    PictureQuery,
    PredictionQuery,
)

router = OperationRouter(tags=["test images"])

_PATH = "/api/v1/test-images"
_LIST_PROBLEMS = (problems.INVALID, problems.NOT_READY, problems.OVERLOADED, problems.NO_DATA)
_PROBLEMS = (problems.NOT_FOUND, *_LIST_PROBLEMS)
_PICTURE = {"description": "The picture.", "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}

Index = Annotated[ImageIndex, Path()]


@router.get(
    _PATH,
    summary="List test images",
    responses=responses(*_LIST_PROBLEMS, problems.PENDING),
    response_model_exclude_unset=True,
)
async def list_test_images(query: Annotated[LabelledImagesQuery, Query()], service: ServiceDep) -> LabelledImagePage:
    """A page of the test set: the index of each image, what it actually shows, and what the model sees in it.

    The latter is there if `predicted`, `correct`, `accepted` or `sort` is given. The first such request has the whole
    set predicted in the background; until that is done, the answer is 503 and says how far it has come.
    """
    return list_labelled_images(service, query)


@router.get(
    "/api/v1/confusion-matrix",
    summary="Count which classes are taken for which",
    responses=responses(problems.NOT_READY, problems.OVERLOADED, problems.NO_DATA, problems.PENDING),
)
async def get_confusion_matrix(service: ServiceDep) -> ConfusionMatrix:
    """What the model sees in the test images of each class; 503 until the whole set is predicted, as for the list."""
    return describe_confusions(service)


@router.get(_PATH + "/{index}", summary="Say what a test image actually shows", responses=responses(*_PROBLEMS))
async def get_test_image(index: Index, service: ServiceDep) -> LabelledImage:
    """The actual class of a test image."""
    return describe_labelled_image(service, index)


@router.get(
    _PATH + "/{index}/image",
    summary="Show a test image",
    response_class=Response,
    responses={200: _PICTURE, **responses(*_PROBLEMS)},
)
def get_test_image_picture(index: Index, query: Annotated[PictureQuery, Query()], service: ServiceDep) -> Response:
    """The picture as it is in the data set, and as the model is given it."""
    return to_response(draw_labelled_image(service, index, scale=query.scale))


router.add_operation(
    PREDICT_LABELLED_IMAGE,
    name="predict_test_image",
    summary="Classify a test image",
    description="What the model sees in a test image, beside what it actually shows.",
    response_model=LabelledPrediction,
    responses=responses(*_PROBLEMS, problems.DEADLINE),
    openapi_extra={"parameters": describe_parameters(path=LabelledImagePath, query=PredictionQuery)},
)
