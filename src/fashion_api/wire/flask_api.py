"""The original Flask API: `GET /predict` and `GET /real`, answered with a label as a JSON string."""

from pydantic import BaseModel, ConfigDict

from fashion_api.errors import BodyTooLargeError
from fashion_api.inference.classifier import Predictions
from fashion_api.service.service import Service
from fashion_api.wire.json_body import parse_json
from fashion_api.wire.operation import Job, Operation, Reply, RequestHead, accept_any_type
from fashion_api.wire.predictions import write_json
from fashion_api.wire.queries import ImageIndex
from fashion_api.wire.validation import validate

_MAX_BODY_BYTES = 16 * 1024


class ImageNumber(BaseModel):
    """Which test image is meant: the JSON body, or the query."""

    model_config = ConfigDict(frozen=True)

    test_image_num: ImageIndex


def read_image_number(head: RequestHead, body: bytes) -> int:
    """Read the index of a test image from the query, or else from the body.

    Raises:
        BodyTooLargeError: the body is far larger than a number.
        InvalidRequestError: it is in neither, or not a whole number.
    """
    if len(body) > _MAX_BODY_BYTES:
        raise BodyTooLargeError(f"the body is larger than the {_MAX_BODY_BYTES} bytes that are accepted here")
    query = head.read_query()
    given = query if "test_image_num" in query or not body else parse_json(body)
    return validate(ImageNumber, given).test_image_num


def write_actual_label(service: Service, head: RequestHead, body: bytes) -> Reply:
    """Answer `GET /real`: what a test image actually shows.

    Raises:
        DataError: there is no test set.
        InvalidRequestError: the request does not name an index.
        UnknownTestImageError: no test image has the index.
    """
    test_set = service.get_test_set()
    index = test_set.check_index(read_image_number(head, body))
    return write_json(service.model.labels[int(test_set.labels[index])])


def _read_prediction(service: Service, head: RequestHead, body: bytes) -> Job[Reply]:
    labels = service.model.labels
    test_set = service.get_test_set()
    index = test_set.check_index(read_image_number(head, body))

    def write(predictions: Predictions) -> Reply:
        return write_json(labels[int(predictions.class_ids[0])])

    return Job(test_set.images[index : index + 1], write)


PREDICT_LABEL = Operation("GET", "/predict", _read_prediction, accept_any_type)
