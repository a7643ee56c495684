"""The test set: what is in it, what each image shows, and what the model sees in it."""

import re
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query, Request, Response

from fashion_api.errors import Fault, InvalidRequestError, summarise_faults
from fashion_api.inference.classifier import Predictions
from fashion_api.pictures.decoding import encode_png
from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import DirectRoute, Service, ServiceDep, TestImageIndex, TestSetDep, answer
from fashion_api.rest.problems import HttpError
from fashion_api.wire.coverage import COVERAGE_PARAMETER, read_coverage
from fashion_api.wire.models import LabelledImage, LabelledImagePage, LabelledPrediction
from fashion_api.wire.operation import Job, Operation, RequestHead
from fashion_api.wire.predictions import describe_predictions, write_json

router = APIRouter(prefix="/api/v1/test-images", tags=["test images"])

_MAX_SCALE = 40
_WHOLE_NUMBER = re.compile(r"[+-]?\d{1,100}", re.ASCII)
_INDEX_PARAMETER = {
    "name": "index",
    "in": "path",
    "required": True,
    "description": "The image's place in the test set, from 0.",
    "schema": {"type": "integer", "examples": [0]},
}


@router.get(
    "", summary="List test images", responses=errors.responses(errors.INVALID, errors.NOT_READY, errors.NO_DATA)
)
async def list_test_images(
    service: ServiceDep,
    test_set: TestSetDep,
    *,
    offset: Annotated[int, Query(ge=0, description="How many to pass over.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="The most to list.")] = 100,
    label: Annotated[
        str | None, Query(description="List only images that show this class; upper and lower case are one.")
    ] = None,
) -> LabelledImagePage:
    """A page of the test set, in the order of the indices: the index of each image and what it actually shows."""
    labels = service.model.labels
    indices = np.arange(len(test_set))
    if label is not None:
        indices = np.flatnonzero(test_set.labels == find_label(labels, label))
    page = indices[offset : offset + limit]
    items = [
        LabelledImage(index=index, label=labels[class_id], class_id=class_id)
        for index, class_id in zip(page.tolist(), test_set.labels[page].tolist(), strict=True)
    ]
    return LabelledImagePage(total=len(indices), offset=offset, limit=limit, items=items)


@router.get(
    "/{index}",
    summary="Tell what a test image actually shows",
    responses=errors.responses(errors.NOT_FOUND, errors.INVALID, errors.NOT_READY, errors.NO_DATA),
)
async def get_test_image(index: TestImageIndex, service: ServiceDep, test_set: TestSetDep) -> LabelledImage:
    """Tell what a test image actually shows."""
    class_id = int(test_set.labels[index])
    return LabelledImage(index=index, label=service.model.labels[class_id], class_id=class_id)


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
def get_test_image_picture(
    index: TestImageIndex,
    test_set: TestSetDep,
    *,
    scale: Annotated[
        int, Query(ge=1, le=_MAX_SCALE, description="How many times to enlarge it, by nearest neighbour.")
    ] = 1,
) -> Response:
    """The picture as it is in the data set: grey, the article light on black."""
    png = encode_png(test_set.images[index], scale=scale)
    return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=86400"})


def find_label(labels: tuple[str, ...], label: str) -> int:
    """Tell the class id of a label, in upper or lower case.

    Raises:
        InvalidRequestError: there is no such class.
    """
    folded = [name.casefold() for name in labels]
    if label.casefold() not in folded:
        raise InvalidRequestError(f"label: there is no such class; the classes are {', '.join(labels)}")
    return folded.index(label.casefold())


def _read_test_image(service: Service, head: RequestHead, _body: bytes) -> Job:
    coverage = read_coverage(head)
    test_set = service.get_test_set()
    index = test_set.check_index(_read_index(head.parameter))
    actual = int(test_set.labels[index])

    def write(predictions: Predictions) -> bytes:
        (prediction,) = describe_predictions(service.model, predictions, coverage=coverage)
        return write_json(
            {
                "index": index,
                "actual": service.model.labels[actual],
                "correct": prediction["class_id"] == actual,
                "prediction": prediction,
                "model": service.model_id,
            }
        )

    return Job(test_set.images[index : index + 1], write)


PREDICT_TEST_IMAGE = Operation("GET", f"{router.prefix}/{{index}}/prediction", _read_test_image)


async def predict_test_image(request: Request) -> Response:
    """Tell what the model sees in a test image, beside what it actually shows."""
    return await answer(request, PREDICT_TEST_IMAGE)


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
    openapi_extra={"parameters": [_INDEX_PARAMETER, COVERAGE_PARAMETER]},
)


def _read_index(text: str) -> int:
    """Read the index in the path.

    Raises:
        HttpError: it is not a whole number.
    """
    if _WHOLE_NUMBER.fullmatch(text):
        return int(text)
    faults = [Fault("index", "Input should be a whole number")]
    raise HttpError(errors.INVALID, summarise_faults(faults), faults)
