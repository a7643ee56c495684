"""The operations of the native API that predict."""

from collections.abc import Generator

from fashion_api.errors import UnsupportedMediaTypeError
from fashion_api.inference.classifier import Predictions
from fashion_api.pictures.file_types import MEDIA_TYPES
from fashion_api.pictures.resizing import choose_resize
from fashion_api.service.service import Service
from fashion_api.wire.json_body import check_json
from fashion_api.wire.operation import Job, JobSteps, Operation, Reply, RequestHead
from fashion_api.wire.prediction_request import read_images
from fashion_api.wire.predictions import describe_predictions, identify_model, write_json
from fashion_api.wire.queries import PredictionQuery, read_index, read_query
from fashion_api.wire.uploads import UploadedFile, decode_files, read_form_files

FORM = "multipart/form-data"
"""The media type of a form with files."""
BINARY = "application/octet-stream"
"""The media type of a file whose type the caller does not name."""


def _read_labelled_image(service: Service, head: RequestHead, _body: bytes) -> Job[Reply]:
    coverage = read_query(head, PredictionQuery).coverage
    model = service.model
    test_set = service.get_test_set()
    index = test_set.check_index(read_index(head))
    images, actual = test_set.images[index : index + 1], int(test_set.labels[index])

    def write(predictions: Predictions) -> Reply:
        (prediction,) = describe_predictions(model, predictions, images, coverage=coverage)
        return write_json(
            {
                "index": index,
                "actual": model.labels[actual],
                "correct": prediction["class_id"] == actual,
                "prediction": prediction,
                "model": identify_model(model),
            }
        )

    return Job(images, write)


def _read_images(service: Service, head: RequestHead, body: bytes) -> JobSteps:
    coverage = read_query(head, PredictionQuery).coverage
    model = service.model
    images, resized = yield from read_images(
        body,
        model.input,
        max_images=service.max_images,
        resize=choose_resize(service.settings, model.input),
    )

    def write(predictions: Predictions) -> Reply:
        described = describe_predictions(model, predictions, images, coverage=coverage, resized=resized)
        return write_json({"model": identify_model(model), "predictions": described})

    return Job(images, write)


def check_upload(head: RequestHead) -> None:
    """Check that a request says that its body is a form or a picture.

    Raises:
        UnsupportedMediaTypeError: it says otherwise.
    """
    media_type = head.read_media_type()
    # Of a picture, the content decides the type: many clients name a wrong one.
    if media_type not in (FORM, BINARY) and not media_type.startswith("image/"):
        raise UnsupportedMediaTypeError(
            f"the body must be {FORM}, or a picture, as {', '.join(MEDIA_TYPES)} or {BINARY}"
        )


def read_files(head: RequestHead, body: bytes, *, max_files: int) -> Generator[None, None, list[UploadedFile]]:
    """Read the files of a form, or the one that is the body, in steps.

    Raises:
        InvalidRequestError: the form cannot be read, or has no file, too many, or a text in place of one.
    """
    if head.read_media_type() != FORM:
        return [UploadedFile(None, body)]
    return (yield from read_form_files(body, head.find_header(b"content-type"), max_files=max_files))


def _read_upload(service: Service, head: RequestHead, body: bytes) -> JobSteps:
    coverage = read_query(head, PredictionQuery).coverage
    model = service.model
    files = yield from read_files(head, body, max_files=service.max_images)
    images, resized = yield from decode_files(
        [file.content for file in files], model.input, choose_resize(service.settings, model.input)
    )
    names = [file.name for file in files]

    def write(predictions: Predictions) -> Reply:
        described = describe_predictions(model, predictions, images, coverage=coverage, resized=resized)
        for prediction, name in zip(described, names, strict=True):
            prediction["filename"] = name
        return write_json({"model": identify_model(model), "predictions": described})

    return Job(images, write)


PREDICT_LABELLED_IMAGE = Operation("GET", "/api/v1/test-images/{index}/prediction", _read_labelled_image)
PREDICT_IMAGES = Operation("POST", "/api/v1/predictions", _read_images, check_json)
PREDICT_UPLOAD = Operation("POST", "/api/v1/predictions/upload", _read_upload, check_upload)
