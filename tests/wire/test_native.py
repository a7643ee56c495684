"""The native API's operations, from a request to its reply."""

import json

import pytest

from fashion_api.errors import (
    DataNotFoundError,
    InvalidRequestError,
    UnknownTestImageError,
    UnsupportedMediaTypeError,
)
from fashion_api.service.service import Service
from fashion_api.wire.models import LabelledPrediction, PredictionList, UploadPredictionList
from fashion_api.wire.native import PREDICT_IMAGES, PREDICT_LABELLED_IMAGE, PREDICT_UPLOAD
from fashion_api.wire.operation import Operation
from tests import picture_files as pictures
from tests.fakes import NovelClassifier, fake_service, fake_test_set
from tests.wire.asking import ask, read_json

IMAGES = fake_test_set().images
MODEL = {"name": "fake", "version": "0123456789ab"}
JSON_BODY = json.dumps({"images": [IMAGES[9].tolist(), IMAGES[3].tolist()]}).encode()
FORM = b"".join(
    b'--x\r\nContent-Disposition: form-data; name="file"; filename="%d.png"\r\n\r\n%b\r\n'
    % (index, pictures.grey_png(IMAGES[index]))
    for index in (9, 3)
)
FORM += b"--x--\r\n"
FORM_TYPE = "multipart/form-data; boundary=x"


@pytest.fixture
def service() -> Service:
    return fake_service()


def test_routes_are_those_of_the_contract() -> None:
    """The operations have the methods and paths that clients know."""
    operations = (PREDICT_LABELLED_IMAGE, PREDICT_IMAGES, PREDICT_UPLOAD)
    assert [(operation.method, operation.path) for operation in operations] == [
        ("GET", "/api/v1/test-images/{index}/prediction"),
        ("POST", "/api/v1/predictions"),
        ("POST", "/api/v1/predictions/upload"),
    ]


@pytest.mark.parametrize(
    ("index", "actual", "label", "correct"),
    [(9, "Ankle boot", "Ankle boot", True), (10, "T-shirt/top", "Trouser", False)],
    ids=["right", "wrong"],
)
def test_test_image_is_predicted_beside_what_it_shows(
    service: Service, index: int, actual: str, label: str, *, correct: bool
) -> None:
    """The reply has what the model sees in a test image, what it shows, and whether they agree."""
    answer = read_json(ask(PREDICT_LABELLED_IMAGE, service, parameters=(str(index),)))
    assert LabelledPrediction.model_validate(answer, strict=True).model_dump() == answer
    assert (answer["index"], answer["actual"], answer["correct"]) == (index, actual, correct)
    assert (answer["prediction"]["label"], answer["model"]) == (label, MODEL)


def test_index_that_no_image_has_is_unknown(service: Service) -> None:
    """An index that no test image has is refused with the range."""
    with pytest.raises(UnknownTestImageError, match="0 to 29"):
        ask(PREDICT_LABELLED_IMAGE, service, parameters=("30",))


def test_without_a_test_set_the_reason_is_raised() -> None:
    """Where there is no test set, the error says why."""
    error = DataNotFoundError("no test images")
    with pytest.raises(DataNotFoundError) as caught:
        ask(PREDICT_LABELLED_IMAGE, fake_service(test_set=error), parameters=("0",))
    assert caught.value is error


def test_images_in_json_are_predicted_in_their_order(service: Service) -> None:
    """Each image of a JSON body has its prediction, in the order of the images."""
    answer = read_json(ask(PREDICT_IMAGES, service, JSON_BODY))
    assert PredictionList.model_validate(answer, strict=True).model_dump() == answer
    assert [prediction["label"] for prediction in answer["predictions"]] == ["Ankle boot", "Dress"]
    assert answer["model"] == MODEL


def test_files_of_a_form_are_predicted_in_their_order(service: Service) -> None:
    """Each file of a form has its prediction, with the file's name."""
    answer = read_json(ask(PREDICT_UPLOAD, service, FORM, content_type=FORM_TYPE))
    assert UploadPredictionList.model_validate(answer, strict=True).model_dump() == answer
    named = [(prediction["filename"], prediction["label"]) for prediction in answer["predictions"]]
    assert named == [("9.png", "Ankle boot"), ("3.png", "Dress")]
    assert answer["model"] == MODEL


@pytest.mark.parametrize("media_type", ["image/png", "IMAGE/PNG; x=y", "image/jpg", "application/octet-stream"])
def test_raw_picture_is_predicted(service: Service, media_type: str) -> None:
    """A picture may be the body itself; its content decides the type, and it has no name."""
    answer = read_json(ask(PREDICT_UPLOAD, service, pictures.grey_png(IMAGES[9]), content_type=media_type))
    (prediction,) = answer["predictions"]
    assert (prediction["label"], prediction["filename"]) == ("Ankle boot", None)


@pytest.mark.parametrize("media_type", ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"])
def test_media_types_of_json_are_accepted(service: Service, media_type: str) -> None:
    """JSON may be declared in any of its ways."""
    assert ask(PREDICT_IMAGES, service, JSON_BODY, content_type=media_type).status == 200


@pytest.mark.parametrize(
    ("operation", "media_type"),
    [
        (PREDICT_IMAGES, "text/plain"),
        (PREDICT_IMAGES, "application/x-www-form-urlencoded"),
        (PREDICT_IMAGES, "multipart/form-data"),
        (PREDICT_IMAGES, ""),
        (PREDICT_UPLOAD, "text/plain"),
        (PREDICT_UPLOAD, "application/json"),
        (PREDICT_UPLOAD, ""),
    ],
)
def test_other_media_types_are_refused_before_the_body(operation: Operation, media_type: str, service: Service) -> None:
    """A body of another type is refused by its head alone."""
    with pytest.raises(UnsupportedMediaTypeError, match="the body must be"):
        ask(operation, service, b"nonsense", content_type=media_type)


every_operation = pytest.mark.parametrize(
    ("operation", "body", "content_type"),
    [
        (PREDICT_LABELLED_IMAGE, b"", ""),
        (PREDICT_IMAGES, JSON_BODY, "application/json"),
        (PREDICT_UPLOAD, FORM, FORM_TYPE),
    ],
    ids=["test image", "JSON", "form"],
)


@every_operation
@pytest.mark.parametrize(("query", "size"), [(b"coverage=0.9", 1), (b"", 2), (b"coverage=0.99", 3)])
def test_prediction_set_is_as_large_as_the_coverage_needs(
    operation: Operation, body: bytes, content_type: str, query: bytes, size: int
) -> None:
    """The requested coverage decides how many classes the prediction set has; without one, it is 0.95."""
    service = fake_service(NovelClassifier())
    answer = read_json(ask(operation, service, body, parameters=("9",), query=query, content_type=content_type))
    prediction = answer["prediction"] if "prediction" in answer else answer["predictions"][0]
    assert len(prediction["prediction_set"]) == size


@every_operation
def test_other_coverage_is_refused(operation: Operation, body: bytes, content_type: str, service: Service) -> None:
    """A coverage without prediction sets is refused."""
    with pytest.raises(InvalidRequestError, match="coverage: must be one of"):
        ask(operation, service, body, parameters=("9",), query=b"coverage=0.5", content_type=content_type)


@pytest.mark.parametrize(
    ("operation", "body", "content_type"),
    [(PREDICT_IMAGES, JSON_BODY, "application/json"), (PREDICT_UPLOAD, FORM, FORM_TYPE)],
    ids=["JSON", "form"],
)
def test_limit_on_images_is_the_settings(operation: Operation, body: bytes, content_type: str) -> None:
    """A request of more images than the settings allow is refused."""
    with pytest.raises(InvalidRequestError, match="one request may hold 1"):
        ask(operation, fake_service(max_images_per_request=1), body, content_type=content_type)
