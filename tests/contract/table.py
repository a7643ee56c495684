"""The contract as one table: what is sent, and what every door answers.

A request is a line in `REQUESTS`, a door a line in `tests.contract.doors`.
"""

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from fashion_api.wire.models import (
    ExplanationList,
    Health,
    LabelledImage,
    LabelledImagePage,
    LabelledPrediction,
    ModelCard,
    PredictionList,
    Preparation,
    ProblemDetails,
    ProtocolError,
    UploadPredictionList,
)
from fashion_api.wire.open_inference_models import (
    InferenceResponse,
    InferenceServer,
    Liveness,
    ModelConfiguration,
    ModelMetadata,
    ModelReadiness,
    Readiness,
    ServedModels,
)
from fashion_api.wire.tensorflow_serving_models import (
    ColumnPredictions,
    RowPredictions,
    ServedNames,
    ServingMetadata,
    ServingStatus,
)
from tests import picture_files
from tests.fakes import COLOUR, fake_test_set
from tests.raw_http import write_request

KEY = "contract-key"
MAX_UPLOAD_BYTES = 150_000
SERVED_NAME = "contract-model"
SETTINGS = {
    "FASHION_API_KEYS": KEY,
    "FASHION_MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES),
    "FASHION_SERVED_NAME": SERVED_NAME,
}
"""The settings of the service behind every door."""

JSON = "application/json"
PROBLEM = "application/problem+json"
INDEX_PATH = "/api/v1/test-images/9/prediction"
JSON_PATH = "/api/v1/predictions"
UPLOAD_PATH = "/api/v1/predictions/upload"
PREPARATION_PATH = "/api/v1/preparations"
EXPLANATION_PATH = "/api/v1/explanations"
SERVING_PATH = f"/v1/models/{SERVED_NAME}"
SERVING_PREDICT_PATH = f"{SERVING_PATH}:predict"
V2_PATH = f"/v2/models/{SERVED_NAME}"
INFER_PATH = f"{V2_PATH}/infer"
LENGTH = "Inference-Header-Content-Length"
FORM = "multipart/form-data; boundary=x"


class Expectation(NamedTuple):
    """A request, and what is answered to it."""

    raw: bytes
    status: int
    media_type: str = JSON
    body: bytes | None = None
    """The whole body, where it is always the same."""
    headers: Mapping[str, str] | None = None
    """Some of the headers."""
    form: type[BaseModel] | None = None
    """What the body is, in JSON."""
    ends: bool = False
    """Whether the connection is closed after the answer."""
    elsewhere: Mapping[str, int] | None = None
    """Statuses of doors that take these bytes for another request, or for none, as is theirs to say."""


def get(target: str, *headers: str, version: str = "1.1", method: str = "GET", key: str | None = KEY) -> bytes:
    """Write out a request without a body."""
    return write_request(method, target, *headers, *_show(key), version=version)


def post(target: str, media_type: str | None, body: bytes, *headers: str, key: str | None = KEY) -> bytes:
    """Write out a request with a body."""
    types = () if media_type is None else (f"Content-Type: {media_type}",)
    return write_request("POST", target, *types, *headers, *_show(key), body=body)


def _show(key: str | None) -> tuple[str, ...]:
    return () if key is None else (f"X-API-Key: {key}",)


def _write_part(content: bytes, name: str = "file", filename: str = '; filename="a.png"') -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'.encode() + content + b"\r\n"


def _write_chunks(body: bytes, size: int) -> bytes:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


_ROWS = fake_test_set().images[9].tolist()
_ARRAY = json.dumps({"images": [_ROWS]}).encode()
_TWO = json.dumps({"images": [_ROWS, base64.b64encode(picture_files.grey_png()).decode()]}).encode()
_LARGE = json.dumps({"images": [_ROWS] * 40}).encode()
_PNG = picture_files.grey_png()
_JPEG = picture_files.grey_jpeg()
_LARGE_JPEG = picture_files.grey_jpeg(picture_files.make_pixels(300, 400))
_END = b"--x--\r\n"

_SERVING_FLOATS = json.dumps({"instances": [(fake_test_set().images[9] / 255).round(4).tolist()]}).encode()
_SERVING_DETAILS = json.dumps({"signature_name": "details", "instances": [_ROWS]}).encode()
_SERVING_COLUMNS = json.dumps({"signature_name": "pixels", "inputs": {"image": [_ROWS]}}).encode()
_SERVING_PICTURES = json.dumps(
    {"signature_name": "images", "instances": [{"b64": base64.b64encode(_PNG).decode()}]}
).encode()
_SERVING_LARGE = json.dumps({"signature_name": "pixels", "instances": [_ROWS] * 40}).encode()

_PIXELS = fake_test_set().images[9].tobytes()


def _write_tensor(datatype: str = "UINT8", images: int = 1, **members: object) -> bytes:
    """Write an inference request; without data, they are to follow."""
    shape = [images] if datatype == "BYTES" else [images, 28, 28, 1]
    tensor: dict[str, object] = {"name": "image", "shape": shape, "datatype": datatype}
    if "data" in members:
        tensor["data"] = members.pop("data")
    else:
        tensor["parameters"] = {"binary_data_size": images * len(_PIXELS)}
    return json.dumps({"inputs": [tensor], **members}).encode()


def _post_binary(text: bytes, content: bytes, *headers: str, length: object = None) -> bytes:
    return post(INFER_PATH, None, text + content, f"{LENGTH}: {len(text) if length is None else length}", *headers)


_TENSOR = _write_tensor(data=list(_PIXELS), id="a")
_HEADER = _write_tensor()
_TO_BINARY = _write_tensor(parameters={"binary_data_output": True})
_LARGE_TENSOR = _write_tensor(images=40, data=list(_PIXELS) * 40)
_PICTURE_TENSOR = _write_tensor("BYTES", data=[base64.b64encode(_PNG).decode()])
_ALL_OUTPUTS = [{"name": name} for name in ("probabilities", "label", "class_id", "probability", "novelty", "accepted")]
_CLASSES = [{"name": "probabilities", "parameters": {"classification": 3}}]

_INDEX = Expectation(get(INDEX_PATH), 200, form=LabelledPrediction)
_INVALID = Expectation(b"", 422, PROBLEM, form=ProblemDetails)
_UNSUPPORTED = Expectation(b"", 415, PROBLEM, form=ProblemDetails)
_NOT_FOUND = Expectation(b"", 404, PROBLEM, form=ProblemDetails)
_TOO_LARGE = Expectation(b"", 413, PROBLEM, form=ProblemDetails)
_UNAUTHORIZED = Expectation(b"", 401, PROBLEM, headers={"www-authenticate": "Bearer"}, form=ProblemDetails)
_ALIVE = Expectation(get("/livez"), 200, body=b'{"status":"ok"}', form=Health)
_BY_JSON = Expectation(post(JSON_PATH, JSON, _ARRAY), 200, form=PredictionList)
_BY_UPLOAD = Expectation(post(UPLOAD_PATH, "image/png", _PNG), 200, form=UploadPredictionList)
_PREPARATION = Expectation(post(PREPARATION_PATH, "image/jpeg", _LARGE_JPEG), 200, form=Preparation)
_EXPLANATION = Expectation(post(EXPLANATION_PATH, JSON, _ARRAY), 200, form=ExplanationList)
_SERVING = Expectation(post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS), 200, form=RowPredictions)
_SERVING_STATUS = Expectation(get(SERVING_PATH), 200, form=ServingStatus)
_SERVING_METADATA = Expectation(get(f"{SERVING_PATH}/metadata"), 200, form=ServingMetadata)
_SERVING_INVALID = Expectation(b"", 400, form=ProtocolError)
_SERVING_UNKNOWN = Expectation(b"", 404, form=ProtocolError)
_SERVING_UNAUTHORIZED = Expectation(b"", 401, headers={"www-authenticate": "Bearer"}, form=ProtocolError)
_V2_MODEL = Expectation(get(V2_PATH), 200, form=ModelMetadata)
_V2_LIVE = Expectation(get("/v2/health/live", key=None), 200, body=b'{"live":true}', form=Liveness)
_V2_READY = Expectation(get("/v2/health/ready", key=None), 200, body=b'{"live":true,"ready":true}', form=Readiness)
_INFER = Expectation(post(INFER_PATH, None, _TENSOR), 200, form=InferenceResponse)
_INFER_BINARY = Expectation(_post_binary(_TO_BINARY, _PIXELS), 200, "application/octet-stream")
_INFER_INVALID = Expectation(b"", 400, form=ProtocolError)
_INFER_UNKNOWN = Expectation(b"", 404, form=ProtocolError)
_INFER_UNAUTHORIZED = Expectation(b"", 401, headers={"www-authenticate": "Bearer"}, form=ProtocolError)
_ORIGINAL = Expectation(get("/predict?test_image_num=9"), 200)
_ORIGINAL_BODY = json.dumps({"test_image_num": 9}).encode()


def _of(model: Expectation, raw: bytes, **changes: Any) -> Expectation:  # noqa: ANN401  # its fields
    return model._replace(raw=raw, **changes)


def _index(index: str) -> bytes:
    return get(f"/api/v1/test-images/{index}/prediction")


_JSON_HEAD = (f"POST {JSON_PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\nContent-Type: {JSON}\r\n").encode()

_SERVING_HEAD = f"POST {SERVING_PREDICT_PATH} HTTP/1.1\r\nHost: x\r\nX-API-Key: {KEY}\r\n".encode()

REQUESTS: Mapping[str, Expectation] = {
    # A test image
    "index": _INDEX,
    "index with a coverage": _of(_INDEX, get(INDEX_PATH + "?coverage=0.9")),
    "index with a coverage that is none": _of(_INVALID, get(INDEX_PATH + "?coverage=2")),
    "index with an unknown parameter": _of(_INDEX, get(INDEX_PATH + "?x=1")),
    "index with an empty query": _of(_INDEX, get(INDEX_PATH + "?")),
    "index with a parameter of no text": _of(_INDEX, get(INDEX_PATH + "?x=%FF")),
    "index with a fragment": _of(_INDEX, get(INDEX_PATH + "#x"), elsewhere={"hypercorn": 404}),
    "index of none": _of(_NOT_FOUND, _index("10000")),
    "index below zero": _of(_NOT_FOUND, _index("-1")),
    "index of no number": _of(_INVALID, _index("x")),
    "index of a fraction": _of(_INVALID, _index("1.5")),
    "index with leading zeros": _of(_INDEX, _index("009")),
    "index of other digits": _of(_INVALID, _index("%D9%A9")),
    "index of no text": _of(_INVALID, _index("%FF")),
    "index of 5000 digits": _of(_INVALID, _index("9" * 5000)),
    "index that is empty": _of(_NOT_FOUND, _index("")),
    "index with a slash in it": _of(_NOT_FOUND, _index("9%2F8")),
    "escaped index": _of(_INDEX, _index("%39")),
    "escaped address": _of(_INDEX, get(INDEX_PATH.replace("api", "%61pi"))),
    "whole address": _of(_INDEX, get("http://x" + INDEX_PATH), elsewhere={"hypercorn": 404}),
    "address in capitals": _of(_NOT_FOUND, get(INDEX_PATH.upper())),
    "index with a slash at the end": Expectation(
        get(INDEX_PATH + "/"), 307, "", b"", headers={"location": f"http://x{INDEX_PATH}"}
    ),
    "index with a body": _of(_INDEX, write_request("GET", INDEX_PATH, f"X-API-Key: {KEY}", body=b"abc")),
    "HEAD of an index": _of(_INDEX, get(INDEX_PATH, method="HEAD"), body=b"", form=None),
    "HEAD of an index that is wrong": _of(_INVALID, get(_index("x").split()[1].decode(), method="HEAD"), form=None),
    "OPTIONS of an index": Expectation(get(INDEX_PATH, method="OPTIONS"), 405, PROBLEM, headers={"allow": "GET"}),
    "DELETE of an index": Expectation(get(INDEX_PATH, method="DELETE"), 405, PROBLEM, headers={"allow": "GET"}),
    "a method that there is not": Expectation(
        get(INDEX_PATH, method="BREW"), 405, PROBLEM, headers={"allow": "GET"}, elsewhere={"uvicorn": 400}
    ),
    "actual class": Expectation(get("/api/v1/test-images/9"), 200, form=LabelledImage),
    "picture": Expectation(get("/api/v1/test-images/9/image?scale=2"), 200, "image/png"),
    "HEAD of a picture": Expectation(get("/api/v1/test-images/9/image", method="HEAD"), 200, "image/png", b""),
    "page of the test set": Expectation(get("/api/v1/test-images?offset=3&limit=2"), 200, form=LabelledImagePage),
    "page of a class that there is not": _of(_INVALID, get("/api/v1/test-images?predicted=Hat")),
    "page of what is neither right nor wrong": _of(_INVALID, get("/api/v1/test-images?correct=1")),
    "page in an order that there is not": _of(_INVALID, get("/api/v1/test-images?sort=size")),
    "confusion matrix without a key": _of(_UNAUTHORIZED, get("/api/v1/confusion-matrix", key=None)),
    "POST of a confusion matrix": Expectation(
        post("/api/v1/confusion-matrix", JSON, b"{}"), 405, PROBLEM, headers={"allow": "GET"}
    ),
    "page with a wrong limit": _of(_INVALID, get("/api/v1/test-images?limit=0")),
    # The caller's images as JSON
    "array": _BY_JSON,
    "array and picture": _of(_BY_JSON, post(JSON_PATH, JSON, _TWO)),
    "JSON with a coverage": _of(_BY_JSON, post(JSON_PATH + "?coverage=0.99", JSON, _ARRAY)),
    "JSON with a coverage that is none": _of(_INVALID, post(JSON_PATH + "?coverage=x", JSON, _ARRAY)),
    "JSON of a charset": _of(_BY_JSON, post(JSON_PATH, "Application/JSON; charset=utf-8", _ARRAY)),
    "JSON of another name": _of(_BY_JSON, post(JSON_PATH, "application/x+json", _ARRAY)),
    "two media types": _of(_BY_JSON, post(JSON_PATH, JSON, _ARRAY, "Content-Type: text/plain")),
    "no media type": _of(_UNSUPPORTED, post(JSON_PATH, None, _ARRAY)),
    "JSON as text": _of(_UNSUPPORTED, post(JSON_PATH, "text/plain", _ARRAY)),
    "no JSON": _of(_INVALID, post(JSON_PATH, JSON, b"{")),
    "JSON of no text": _of(_INVALID, post(JSON_PATH, JSON, b'{"images": ["\xff"]}')),
    "no images": _of(_INVALID, post(JSON_PATH, JSON, b'{"images": []}')),
    "a wrong pixel": _of(_INVALID, post(JSON_PATH, JSON, b'{"images": [[[256]]]}')),
    "many faults": _of(_INVALID, post(JSON_PATH, JSON, b'{"images": [' + b"null, " * 30 + b"null]}")),
    "no body": _of(_INVALID, get(JSON_PATH, f"Content-Type: {JSON}", method="POST")),
    "a body of no bytes": _of(_INVALID, get(JSON_PATH, f"Content-Type: {JSON}", "Content-Length: 0", method="POST")),
    "a large body": _of(_BY_JSON, post(JSON_PATH, JSON, _LARGE)),
    "a large body of blanks": _of(_BY_JSON, post(JSON_PATH, JSON, _ARRAY + b" " * 100_000)),
    "a body over the limit": _of(_TOO_LARGE, post(JSON_PATH, JSON, _ARRAY + b" " * MAX_UPLOAD_BYTES)),
    "a length over the limit": _of(_TOO_LARGE, _JSON_HEAD + b"Content-Length: 99999999\r\n\r\n"),
    "a length of 30 digits": _of(
        _TOO_LARGE,
        _JSON_HEAD + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n",
        elsewhere={"uvicorn": 400, "granian": 400, "hypercorn": 400},
    ),
    "a body in chunks": _of(_BY_JSON, _JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _write_chunks(_ARRAY, 500)),
    "chunks over the limit": _of(
        _TOO_LARGE,
        _JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _write_chunks(b" " * MAX_UPLOAD_BYTES * 2, 9999),
    ),
    "a body that waits to be asked for": _of(_BY_JSON, post(JSON_PATH, JSON, _ARRAY, "Expect: 100-continue")),
    "a body in gzip": _of(_BY_JSON, post(JSON_PATH, JSON, gzip.compress(_ARRAY, mtime=0), "Content-Encoding: gzip")),
    "a body in gzip that is cut": _of(
        _INVALID, post(JSON_PATH, JSON, gzip.compress(_ARRAY, mtime=0)[:-9], "Content-Encoding: gzip")
    ),
    "a large body in deflate": _of(_BY_JSON, post(JSON_PATH, JSON, zlib.compress(_LARGE), "Content-Encoding: deflate")),
    "a body in a coding that is not read": _of(_UNSUPPORTED, post(JSON_PATH, JSON, _ARRAY, "Content-Encoding: br")),
    "PUT of JSON": Expectation(
        post(JSON_PATH, JSON, _ARRAY).replace(b"POST", b"PUT"), 405, PROBLEM, headers={"allow": "POST"}
    ),
    "GET of JSON": Expectation(get(JSON_PATH), 405, PROBLEM, headers={"allow": "POST"}),
    # The caller's picture files
    "a form": _of(_BY_UPLOAD, post(UPLOAD_PATH, FORM, _write_part(_PNG) + _END)),
    "a form of two files and a text": _of(
        _BY_UPLOAD,
        post(UPLOAD_PATH, FORM, _write_part(b"hello", "note", "") + _write_part(_PNG) + _write_part(_JPEG) + _END),
    ),
    "a form without a file": _of(_INVALID, post(UPLOAD_PATH, FORM, _write_part(b"hello", "note", "") + _END)),
    "a form without a boundary": _of(_INVALID, post(UPLOAD_PATH, "multipart/form-data", _write_part(_PNG) + _END)),
    "a form that is cut": _of(_INVALID, post(UPLOAD_PATH, FORM, _write_part(_PNG)[:-30])),
    "a form of one broken file of two": _of(
        _INVALID, post(UPLOAD_PATH, FORM, _write_part(_PNG) + _write_part(picture_files.truncated_png()) + _END)
    ),
    "a picture": _BY_UPLOAD,
    "a picture of a wrong type": _of(_BY_UPLOAD, post(UPLOAD_PATH, "image/gif", _PNG)),
    "a picture of no type": _of(_BY_UPLOAD, post(UPLOAD_PATH, "application/octet-stream", _JPEG)),
    "a picture that is none": _of(_UNSUPPORTED, post(UPLOAD_PATH, "image/png", picture_files.TEXT_FILE)),
    "a broken picture": _of(_INVALID, post(UPLOAD_PATH, "image/png", picture_files.truncated_png())),
    "a picture as text": _of(_UNSUPPORTED, post(UPLOAD_PATH, "text/plain", _PNG)),
    "no picture": _of(_INVALID, get(UPLOAD_PATH, "Content-Type: image/png", method="POST")),
    # Pictures of any size
    "preparation": _PREPARATION,
    "preparation of a form": _of(_PREPARATION, post(PREPARATION_PATH, FORM, _write_part(_LARGE_JPEG) + _END)),
    "preparation with parameters": _of(
        _PREPARATION,
        post(PREPARATION_PATH + "?crop=0.1,0.2,0.5,0.25&turn=90&invert=true&fit=cover", "image/jpeg", _LARGE_JPEG),
    ),
    "preparation in gzip": _of(
        _PREPARATION,
        post(PREPARATION_PATH, "image/jpeg", gzip.compress(_LARGE_JPEG, mtime=0), "Content-Encoding: gzip"),
    ),
    "preparation of a part beside the picture": _of(
        _INVALID, post(PREPARATION_PATH + "?crop=0.6,0,0.5,1", "image/jpeg", _LARGE_JPEG)
    ),
    "preparation of two files": _of(
        _INVALID, post(PREPARATION_PATH, FORM, _write_part(_PNG) + _write_part(_PNG) + _END)
    ),
    "preparation of a broken picture": _of(
        _INVALID, post(PREPARATION_PATH, "image/png", picture_files.truncated_png())
    ),
    "preparation of no picture": _of(_UNSUPPORTED, post(PREPARATION_PATH, "image/png", picture_files.TEXT_FILE)),
    "preparation of JSON": _of(_UNSUPPORTED, post(PREPARATION_PATH, JSON, _ARRAY)),
    "preparation over the limit": _of(_TOO_LARGE, post(PREPARATION_PATH, "image/png", bytes(MAX_UPLOAD_BYTES + 1))),
    "preparation without a key": _of(_UNAUTHORIZED, post(PREPARATION_PATH, "image/jpeg", _LARGE_JPEG, key=None)),
    "GET of a preparation": Expectation(get(PREPARATION_PATH), 405, PROBLEM, headers={"allow": "POST"}),
    # Explanations
    "explanation": _EXPLANATION,
    "explanation of an array and a picture": _of(_EXPLANATION, post(EXPLANATION_PATH, JSON, _TWO)),
    "explanation of too many": _of(_INVALID, post(EXPLANATION_PATH, JSON, _LARGE)),
    "explanation of nothing": _of(_INVALID, post(EXPLANATION_PATH, JSON, b"{}")),
    "explanation of a picture as it is": _of(_UNSUPPORTED, post(EXPLANATION_PATH, "image/png", _PNG)),
    "explanation without a key": _of(_UNAUTHORIZED, post(EXPLANATION_PATH, JSON, _ARRAY, key=None)),
    "GET of an explanation": Expectation(get(EXPLANATION_PATH), 405, PROBLEM, headers={"allow": "POST"}),
    # TensorFlow Serving and KServe
    "serving: models": Expectation(get("/v1/models"), 200, form=ServedNames),
    "serving: model": _SERVING_STATUS,
    "serving: version": _of(_SERVING_STATUS, get(f"{SERVING_PATH}/versions/1")),
    "serving: HEAD of a model": _of(_SERVING_STATUS, get(SERVING_PATH, method="HEAD"), body=b"", form=None),
    "serving: address in other letters": _of(_SERVING_STATUS, get(SERVING_PATH.replace("v1/models", "V1/Models"))),
    "serving: address with a slash at the end": _of(_SERVING_STATUS, get(f"{SERVING_PATH}/")),
    "serving: metadata": _SERVING_METADATA,
    "serving: metadata of a version": _of(_SERVING_METADATA, get(f"{SERVING_PATH}/versions/1/metadata")),
    "serving: unknown model": Expectation(
        get("/v1/models/no"), 404, body=b'{"error":"Could not find any versions of model no"}'
    ),
    "serving: metadata of an unknown model": Expectation(
        get("/v1/models/no/metadata"), 404, body=b'{"error":"Servable not found for request: Latest(no)"}'
    ),
    "serving: version of no number": _of(_SERVING_UNKNOWN, get(f"{SERVING_PATH}/versions/x")),
    "serving: label": _of(_SERVING_INVALID, get(f"{SERVING_PATH}/labels/stable")),
    "serving: floats": _SERVING,
    "serving: floats of a version": _of(_SERVING, post(f"{SERVING_PATH}/versions/1:predict", JSON, _SERVING_FLOATS)),
    "serving: floats to other letters": _of(
        _SERVING, post(SERVING_PREDICT_PATH.replace("models", "MODELS"), JSON, _SERVING_FLOATS)
    ),
    "serving: floats as a form": _of(
        _SERVING, post(SERVING_PREDICT_PATH, "application/x-www-form-urlencoded", _SERVING_FLOATS)
    ),
    "serving: floats of no type": _of(_SERVING, post(SERVING_PREDICT_PATH, None, _SERVING_FLOATS)),
    "serving: floats to an escaped address": _of(
        _SERVING, post(SERVING_PREDICT_PATH.replace(":", "%3A"), JSON, _SERVING_FLOATS)
    ),
    "serving: floats with a query": _of(_SERVING, post(f"{SERVING_PREDICT_PATH}?x=1", JSON, _SERVING_FLOATS)),
    "serving: floats in gzip": _of(
        _SERVING,
        post(SERVING_PREDICT_PATH, JSON, gzip.compress(_SERVING_FLOATS, mtime=0), "Content-Encoding: gzip"),
    ),
    "serving: floats in gzip that is cut": _of(
        _SERVING_INVALID,
        post(SERVING_PREDICT_PATH, JSON, gzip.compress(_SERVING_FLOATS, mtime=0)[:-9], "Content-Encoding: gzip"),
    ),
    "serving: floats in a coding that is not read": Expectation(
        post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS, "Content-Encoding: br"),
        415,
        headers={"accept-encoding": "gzip, deflate, identity"},
        form=ProtocolError,
    ),
    "serving: details": _of(_SERVING, post(SERVING_PREDICT_PATH, JSON, _SERVING_DETAILS)),
    "serving: pictures": _of(_SERVING, post(SERVING_PREDICT_PATH, JSON, _SERVING_PICTURES)),
    "serving: columns": _of(_SERVING, post(SERVING_PREDICT_PATH, JSON, _SERVING_COLUMNS), form=ColumnPredictions),
    "serving: a large body": _of(_SERVING, post(SERVING_PREDICT_PATH, JSON, _SERVING_LARGE)),
    "serving: a body over the limit": Expectation(
        post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS + b" " * MAX_UPLOAD_BYTES), 413, form=ProtocolError
    ),
    "serving: a body in chunks": _of(
        _SERVING,
        _SERVING_HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + _write_chunks(_SERVING_FLOATS, 500),
    ),
    "serving: no body": _of(_SERVING_INVALID, get(SERVING_PREDICT_PATH, method="POST")),
    "serving: no JSON": _of(_SERVING_INVALID, post(SERVING_PREDICT_PATH, JSON, b"instances")),
    "serving: a byte-order mark": _of(
        _SERVING_INVALID, post(SERVING_PREDICT_PATH, JSON, b"\xef\xbb\xbf" + _SERVING_FLOATS)
    ),
    "serving: a hundred thousand brackets": _of(
        _SERVING_INVALID, post(SERVING_PREDICT_PATH, JSON, b'{"instances":' + b"[" * 100_000)
    ),
    "serving: NaN": _of(
        _SERVING_INVALID, post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS.replace(b"0.0]", b"NaN]", 1))
    ),
    "serving: unknown signature": _of(
        _SERVING_INVALID, post(SERVING_PREDICT_PATH, JSON, _SERVING_DETAILS.replace(b"details", b"classify"))
    ),
    "serving: prediction of an unknown model": Expectation(
        post("/v1/models/no:predict", JSON, b""),
        404,
        body=b'{"error":"Servable not found for request: Latest(no)"}',
    ),
    "serving: prediction of an unknown version": Expectation(
        post(f"{SERVING_PATH}/versions/2:predict", JSON, _SERVING_FLOATS),
        404,
        body=b'{"error":"Servable not found for request: Specific(contract-model, 2)"}',
    ),
    "serving: another verb": _of(_SERVING_INVALID, post(f"{SERVING_PATH}:classify", JSON, b"{}")),
    "serving: GET of a prediction": Expectation(
        get(SERVING_PREDICT_PATH), 405, headers={"allow": "POST"}, form=ProtocolError
    ),
    "serving: nothing": _of(_SERVING_UNKNOWN, get("/v1/nothing")),
    "serving: model without a key": _of(_SERVING_UNAUTHORIZED, get(SERVING_PATH, key=None)),
    "serving: floats without a key": _of(
        _SERVING_UNAUTHORIZED, post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS, key=None)
    ),
    "serving: floats behind a prefix": _of(
        _SERVING, post(SERVING_PREDICT_PATH, JSON, _SERVING_FLOATS, "X-Forwarded-Prefix: /shop")
    ),
    # The Open Inference Protocol
    "inference: server": Expectation(get("/v2"), 200, form=InferenceServer),
    "inference: server with a slash": Expectation(get("/v2/"), 200, form=InferenceServer),
    "inference: alive": _V2_LIVE,
    "inference: ready": _V2_READY,
    "inference: HEAD of health": _of(_V2_READY, get("/v2/health/ready", method="HEAD"), body=b"", form=None),
    "inference: models": Expectation(get("/v2/models"), 200, form=ServedModels),
    "inference: model": _V2_MODEL,
    "inference: version": _of(_V2_MODEL, get(f"{V2_PATH}/versions/1")),
    "inference: readiness of a model": Expectation(get(f"{V2_PATH}/ready"), 200, form=ModelReadiness),
    "inference: configuration": Expectation(get(f"{V2_PATH}/config"), 200, form=ModelConfiguration),
    "inference: unknown model": _of(_INFER_UNKNOWN, get("/v2/models/no")),
    "inference: unknown version": _of(_INFER_UNKNOWN, get(f"{V2_PATH}/versions/2")),
    "inference: model with a slash at the end": _of(_INFER_UNKNOWN, get(f"{V2_PATH}/")),
    "inference: nothing": _of(_INFER_UNKNOWN, get("/v2/nothing")),
    "inference: address in other letters": _of(_NOT_FOUND, get("/V3/models")),
    "inference: load": Expectation(
        post(f"/v2/repository/models/{SERVED_NAME}/load", JSON, b"{}"),
        503,
        headers={"retry-after": "1"},
        form=ProtocolError,
    ),
    "inference: another log level": _of(_INFER_INVALID, post("/v2/logging", JSON, b'{"log_info": false}')),
    "inference: PUT of the log's settings": Expectation(
        post("/v2/logging", JSON, b"{}").replace(b"POST", b"PUT"),
        405,
        headers={"allow": "GET, POST"},
        form=ProtocolError,
    ),
    "inference: region of shared memory": _of(
        _INFER_INVALID, post("/v2/systemsharedmemory/region/r/register", JSON, b"{}")
    ),
    "inference: JSON": _INFER,
    "inference: JSON for a version": _of(_INFER, post(f"{V2_PATH}/versions/1/infer", None, _TENSOR)),
    "inference: JSON as a form": _of(_INFER, post(INFER_PATH, "application/x-www-form-urlencoded", _TENSOR)),
    "inference: JSON to an escaped address": _of(_INFER, post(INFER_PATH.replace("model", "%6Dodel"), None, _TENSOR)),
    "inference: JSON with a query": _of(_INFER, post(f"{INFER_PATH}?x=1", None, _TENSOR)),
    "inference: all outputs": _of(
        _INFER, post(INFER_PATH, None, _write_tensor(data=list(_PIXELS), outputs=_ALL_OUTPUTS))
    ),
    "inference: classes": _of(_INFER, post(INFER_PATH, None, _write_tensor(data=list(_PIXELS), outputs=_CLASSES))),
    "inference: a picture": _of(_INFER, post(INFER_PATH, None, _PICTURE_TENSOR)),
    "inference: a large body": _of(_INFER, post(INFER_PATH, None, _LARGE_TENSOR)),
    "inference: a large answer in gzip": Expectation(
        post(INFER_PATH, None, _LARGE_TENSOR, "Accept-Encoding: gzip, deflate, br"),
        200,
        headers={"content-encoding": "gzip", "vary": "accept-encoding"},
    ),
    "inference: binary": _INFER_BINARY,
    "inference: binary to JSON": _of(_INFER, _post_binary(_HEADER, _PIXELS)),
    "inference: binary with a type": _of(
        _INFER_BINARY, _post_binary(_TO_BINARY, _PIXELS, "Content-Type: application/json")
    ),
    "inference: binary in gzip": _of(
        _INFER_BINARY,
        _post_binary(
            gzip.compress(_TO_BINARY + _PIXELS, mtime=0), b"", "Content-Encoding: gzip", length=len(_TO_BINARY)
        ),
    ),
    "inference: binary in deflate": _of(
        _INFER_BINARY,
        _post_binary(zlib.compress(_TO_BINARY + _PIXELS), b"", "Content-Encoding: deflate", length=len(_TO_BINARY)),
    ),
    "inference: pixels alone": _of(_INFER_BINARY, _post_binary(b"", _PIXELS)),
    "inference: pixels of two images": _of(_INFER_INVALID, _post_binary(b"", _PIXELS * 2)),
    "inference: length over the body": _of(_INFER_INVALID, _post_binary(_HEADER, _PIXELS, length=9999)),
    "inference: length that is none": _of(_INFER_INVALID, _post_binary(_HEADER, _PIXELS, length="x")),
    "inference: no length": _of(_INFER_INVALID, post(INFER_PATH, None, _HEADER + _PIXELS)),
    "inference: a byte too few": _of(_INFER_INVALID, _post_binary(_HEADER, _PIXELS[1:])),
    "inference: a byte too many": _of(_INFER_INVALID, _post_binary(_HEADER, _PIXELS + b"x")),
    "inference: no body": _of(_INFER_INVALID, get(INFER_PATH, method="POST")),
    "inference: no JSON": _of(_INFER_INVALID, post(INFER_PATH, None, b"hello")),
    "inference: 256": _of(_INFER_INVALID, post(INFER_PATH, None, _write_tensor(data=[256, *_PIXELS[1:]]))),
    "inference: a hundred thousand brackets": _of(_INFER_INVALID, post(INFER_PATH, None, b"[" * 100_000)),
    "inference: in a coding that is not read": Expectation(
        post(INFER_PATH, None, _TENSOR, "Content-Encoding: br"),
        415,
        headers={"accept-encoding": "gzip, deflate, identity"},
        form=ProtocolError,
    ),
    "inference: in gzip that is cut": _of(
        _INFER_INVALID, post(INFER_PATH, None, gzip.compress(_TENSOR, mtime=0)[:-9], "Content-Encoding: gzip")
    ),
    "inference: a body over the limit": Expectation(
        post(INFER_PATH, None, _TENSOR + b" " * MAX_UPLOAD_BYTES), 413, form=ProtocolError
    ),
    "inference: by an unknown model": _of(_INFER_UNKNOWN, post("/v2/models/no/infer", None, _TENSOR)),
    "inference: GET": Expectation(get(INFER_PATH), 405, headers={"allow": "POST"}, form=ProtocolError),
    "inference: model without a key": _of(_INFER_UNAUTHORIZED, get(V2_PATH, key=None)),
    "inference: without a key": _of(_INFER_UNAUTHORIZED, post(INFER_PATH, None, _TENSOR, key=None)),
    "inference: behind a prefix": _of(_INFER, post(INFER_PATH, None, _TENSOR, "X-Forwarded-Prefix: /shop")),
    "inference: nothing behind a prefix": _of(_INFER_UNKNOWN, get("/v2/nothing", "X-Forwarded-Prefix: /shop")),
    # The original API
    "original prediction": _ORIGINAL,
    "original actual class": _of(_ORIGINAL, get("/real?test_image_num=9")),
    "original prediction by a body": _of(
        _ORIGINAL, write_request("GET", "/predict", f"X-API-Key: {KEY}", body=_ORIGINAL_BODY)
    ),
    "original actual class by a body": _of(
        _ORIGINAL, write_request("GET", "/real", f"X-API-Key: {KEY}", body=_ORIGINAL_BODY)
    ),
    "original prediction of none": _of(_NOT_FOUND, get("/predict?test_image_num=10000")),
    "original prediction of nothing": _of(_INVALID, get("/predict")),
    "HEAD of the original prediction": _of(_ORIGINAL, get("/predict?test_image_num=9", method="HEAD"), body=b""),
    # The rest
    "model": Expectation(get("/api/v1/model"), 200, form=ModelCard),
    "HEAD of the model": Expectation(get("/api/v1/model", method="HEAD"), 200, body=b""),
    "alive": _ALIVE,
    "ready": _of(_ALIVE, get("/readyz")),
    "HEAD of health": _of(_ALIVE, get("/livez", method="HEAD"), body=b"", form=None),
    "health with a slash at the end": Expectation(
        get("/readyz/?a=b"), 307, "", b"", headers={"location": "http://x/readyz?a=b"}
    ),
    "slash and a query of no text": Expectation(
        get("/readyz/?a=%FF"), 307, "", b"", headers={"location": "http://x/readyz?a=%FF"}
    ),
    "page": Expectation(get("/", "Accept: text/html,*/*;q=0.8"), 200, "text/html"),
    "page for a program": Expectation(get("/"), 200, body=b'{"status":"alive"}'),
    "script of the page": Expectation(get("/static/page/app.js"), 200, "text/javascript"),
    "documentation": Expectation(get("/docs"), 200, "text/html"),
    "other documentation": Expectation(get("/redoc"), 200, "text/html"),
    "script of the documentation": Expectation(get("/static-docs/swagger-ui.css"), 200, "text/css"),
    "script that there is not": _of(_NOT_FOUND, get("/static-docs/none.css")),
    "script from another folder": _of(_NOT_FOUND, get("/static-docs/..%2F__init__.py")),
    "description": Expectation(get("/openapi.json"), 200),
    "kinds of problem": Expectation(get("/problems"), 200, "text/html"),
    "nothing": _of(_NOT_FOUND, get("/api/v2/model")),
    "nothing of another kind": _of(_NOT_FOUND, write_request("POST", "/nothing", f"X-API-Key: {KEY}", body=b"abc")),
    "two slashes": _of(_NOT_FOUND, get("//livez")),
    # Keys
    "index without a key": _of(_UNAUTHORIZED, get(INDEX_PATH, key=None)),
    "index with a wrong key": _of(_UNAUTHORIZED, get(INDEX_PATH, key="wrong")),
    "index with a key as a bearer": _of(_INDEX, get(INDEX_PATH, f"Authorization: Bearer {KEY}", key=None)),
    "array without a key": _of(_UNAUTHORIZED, post(JSON_PATH, JSON, _ARRAY, key=None)),
    "large body without a key": _of(_UNAUTHORIZED, post(JSON_PATH, JSON, _LARGE, key=None)),
    "nothing without a key": _of(_UNAUTHORIZED, get("/nothing", key=None)),
    "health without a key": _of(_ALIVE, get("/readyz", key=None)),
    "documentation without a key": Expectation(get("/docs", key=None), 200, "text/html"),
    "description without a key": Expectation(get("/openapi.json", key=None), 200),
    # Behind a proxy
    "index behind a prefix": _of(_INDEX, get(INDEX_PATH, "X-Forwarded-Prefix: /shop")),
    "index behind a prefix that is kept": _of(_INDEX, get("/shop" + INDEX_PATH, "X-Forwarded-Prefix: /shop")),
    "array behind a prefix": _of(_BY_JSON, post(JSON_PATH, JSON, _ARRAY, "X-Forwarded-Prefix: /shop")),
    "page behind a prefix": Expectation(get("/", "Accept: text/html", "X-Forwarded-Prefix: /shop"), 200, "text/html"),
    "slash behind a prefix and TLS": Expectation(
        get("/livez/", "X-Forwarded-Prefix: /shop", "X-Forwarded-Proto: https"),
        307,
        "",
        b"",
        headers={"location": "https://x/shop/livez"},
    ),
    "nothing behind a prefix": _of(_NOT_FOUND, get("/nothing", "X-Forwarded-Prefix: /shop")),
    # HTTP
    "request id": _of(_INDEX, get(INDEX_PATH, "X-Request-ID: mine")),
    "odd request id": _of(_INDEX, get(INDEX_PATH, "X-Request-ID: not sane")),
    "HTTP/1.0": _of(_INDEX, get(INDEX_PATH, version="1.0"), ends=True),
    "close": _of(_INDEX, get(INDEX_PATH, "Connection: close"), ends=True),
    "close after a problem": _of(_NOT_FOUND, get("/nothing", "Connection: close"), ends=True),
    "HTTP/1.0 without a key": _of(_UNAUTHORIZED, get(INDEX_PATH, key=None, version="1.0"), ends=True),
    "an upgrade": _of(_INDEX, get(INDEX_PATH, "Connection: Upgrade", "Upgrade: h2c"), elsewhere={"hypercorn": 101}),
    "a header of other letters": _of(_INDEX, get(INDEX_PATH, "X-Odd: \xe9")),
    "bare line ends": _of(_INDEX, get(INDEX_PATH).replace(b"\r\n", b"\n"), elsewhere={"uvicorn": 400}),
}

_COLOURS = fake_test_set(shape=COLOUR.shape).images[9]
_COLOUR_PNG = picture_files.grey_png(_COLOURS)
_COLOUR_ARRAY = json.dumps({"images": [_COLOURS.tolist()]}).encode()
_COLOURS_AND_PICTURES = json.dumps(
    {"images": [_COLOURS.tolist(), *(base64.b64encode(file).decode() for file in (_COLOUR_PNG, _LARGE_JPEG))]}
).encode()

COLOUR_REQUESTS: Mapping[str, Expectation] = {
    "index": _INDEX,
    "picture": Expectation(get("/api/v1/test-images/9/image"), 200, "image/png"),
    "array": _of(_BY_JSON, post(JSON_PATH, JSON, _COLOUR_ARRAY)),
    "array and pictures": _of(_BY_JSON, post(JSON_PATH, JSON, _COLOURS_AND_PICTURES)),
    "array and pictures in gzip": _of(
        _BY_JSON, post(JSON_PATH, JSON, gzip.compress(_COLOURS_AND_PICTURES, mtime=0), "Content-Encoding: gzip")
    ),
    "grey array": _of(_INVALID, post(JSON_PATH, JSON, _ARRAY)),
    "a picture": _of(_BY_UPLOAD, post(UPLOAD_PATH, "image/png", _COLOUR_PNG)),
    "a picture of another size": _of(_BY_UPLOAD, post(UPLOAD_PATH, "image/jpeg", _LARGE_JPEG)),
    "a form of pictures of several sizes": _of(
        _BY_UPLOAD,
        post(UPLOAD_PATH, FORM, _write_part(_COLOUR_PNG) + _write_part(_LARGE_JPEG) + _write_part(_PNG) + _END),
    ),
    "a form of one broken file of two": _of(
        _INVALID, post(UPLOAD_PATH, FORM, _write_part(_PNG) + _write_part(picture_files.truncated_png()) + _END)
    ),
    "a bomb": _of(_INVALID, post(UPLOAD_PATH, "image/webp", picture_files.bomb_webp())),
    "preparation": _PREPARATION,
    "explanation": _of(_EXPLANATION, post(EXPLANATION_PATH, JSON, _COLOUR_ARRAY)),
    "original prediction": _ORIGINAL,
    "model": Expectation(get("/api/v1/model"), 200, form=ModelCard),
    "description": Expectation(get("/openapi.json"), 200),
}
"""Requests for a model in colour, which has pictures of other sizes fitted."""

NO_HTTP: Mapping[str, bytes] = {
    "text": b"this is no HTTP\r\n\r\n",
    "zeros": bytes(100) + b"\r\n\r\n",
    "TLS": bytes.fromhex("160301010001000100fc0303") + bytes(100),
    "an address of other letters": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a query of other letters": b"GET /livez?x=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a blank in a header's name": b"GET /livez HTTP/1.1\r\nHost: x\r\nX Y: 1\r\n\r\n",
    "two lengths": _JSON_HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length that is none": _JSON_HEAD + b"Content-Length: x\r\n\r\n{}",
}
"""Bytes that no server takes for a request."""
