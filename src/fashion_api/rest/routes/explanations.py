"""Explanations: what mattered in the caller's own images."""

from fashion_api.inference.occlusion import VARIANTS
from fashion_api.rest.dependencies import OperationRouter
from fashion_api.rest.openapi import OF_A_BODY, OF_A_PREDICTION, describe_json, responses
from fashion_api.rest.routes.predictions import EXAMPLES
from fashion_api.service.limits import MAX_EXPLAINED
from fashion_api.wire.explanations import EXPLAIN_IMAGES
from fashion_api.wire.models import ExplanationList
from fashion_api.wire.prediction_request import ExplanationRequest

router = OperationRouter(tags=["predictions"])

router.add_operation(
    EXPLAIN_IMAGES,
    name="explain_images",
    summary="Show what mattered in images",
    description=f"""Give a heat map of each image, in their order; the body is that of `/api/v1/predictions`.

A black square, a quarter of the image high and wide, covers the image at {VARIANTS - 1} places, one after the other. A
pixel's value is by how much the squares over it lower the probability of the label, on average. It takes
{VARIANTS} predictions an image; a request counts as so many images, and may have {MAX_EXPLAINED} images.
""",
    response_model=ExplanationList,
    responses=responses(*OF_A_BODY, *OF_A_PREDICTION),
    openapi_extra={"requestBody": describe_json(ExplanationRequest, EXAMPLES)},
)
