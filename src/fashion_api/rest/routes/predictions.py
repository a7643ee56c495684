"""Predictions for the caller's own images: arrays and base64 in JSON, files in a form, or one raw file."""

from fashion_api.rest.dependencies import OperationRouter
from fashion_api.rest.openapi import (
    OF_A_BODY,
    OF_A_PREDICTION,
    describe_json,
    describe_parameters,
    describe_upload,
    responses,
)
from fashion_api.wire.json_schema import BOUND
from fashion_api.wire.models import PredictionList, UploadPredictionList
from fashion_api.wire.native import BINARY, PREDICT_IMAGES, PREDICT_UPLOAD
from fashion_api.wire.prediction_request import PredictionRequest
from fashion_api.wire.queries import PredictionQuery

router = OperationRouter(tags=["predictions"])

_PARAMETERS = describe_parameters(query=PredictionQuery)
_RESPONSES = responses(*OF_A_BODY, *OF_A_PREDICTION)
EXAMPLES = {
    "picture file": ("A PNG file in base64", "base64_request"),
    "array": ("Rows of pixels", "rows_request"),
}
# The format has generators take bytes, the media type has /docs show a file picker.
_FILE = {"type": "string", "format": "binary", "contentMediaType": BINARY}
_FILES = {
    "type": "array",
    "minItems": 1,
    BOUND: "images",
    "items": _FILE,
    "description": "One or more picture files.",
}


router.add_operation(
    PREDICT_IMAGES,
    name="predict_images",
    summary="Classify images sent as JSON",
    description="""Classify one or more images; the predictions come in their order.

Each image is rows of pixels, whole numbers from 0 (black) to 255, or a picture file in base64. Each is to be like those
that the model was trained on: the description of this API says what they are.
""",
    response_model=PredictionList,
    responses=_RESPONSES,
    openapi_extra={"parameters": _PARAMETERS, "requestBody": describe_json(PredictionRequest, EXAMPLES)},
)
router.add_operation(
    PREDICT_UPLOAD,
    name="predict_upload",
    summary="Classify uploaded pictures",
    description="""Classify one or more picture files, in form parts named `file`, or one picture as the raw body.

A model that takes grey images is given colours as greys. A picture of another size than the model's is refused or
resized, as who runs the service has set; `route` says which. The predictions come in the order of the files. Other form
fields are ignored.
""",
    response_model=UploadPredictionList,
    responses=_RESPONSES,
    openapi_extra={
        "parameters": _PARAMETERS,
        "requestBody": describe_upload("UploadForm", "Picture files to classify.", file=_FILE, part=_FILES),
    },
)
