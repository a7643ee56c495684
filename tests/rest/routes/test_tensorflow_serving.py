"""TensorFlow Serving's and KServe's routes under `/v1`."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from fashion_api.data.dataset import DataSource, Split
from fashion_api.rest.app import create_app
from fashion_api.settings import FASHION_MNIST_LABELS, Settings
from tests.conftest import MakeClient, find_service
from tests.fakes import NovelClassifier, fake_app, fake_test_set

MODEL = "/v1/models/fake"
ROWS = json.dumps({"instances": [(fake_test_set().images[3] / 255).tolist()]}).encode()
AVAILABLE = [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}]
STATUS = {"name": "fake", "ready": True, "model_version_status": AVAILABLE}


def describe(dtype: str, name: str, *shape: int) -> dict[str, Any]:
    """A tensor in metadata."""
    dims = [{"size": str(size), "name": ""} for size in shape]
    return {"dtype": dtype, "tensor_shape": {"dim": dims, "unknown_rank": False}, "name": name}


@pytest.fixture
def client(make_client: MakeClient) -> TestClient:
    return make_client(NovelClassifier())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/models", {"models": ["fake"]}),
        (MODEL, STATUS),
        (f"{MODEL}/versions/1", STATUS),
        ("/V1/Models/fake/VERSIONS/1", STATUS),
        (f"{MODEL}/", STATUS),
    ],
    ids=["models", "model", "version", "in capitals", "with a slash"],
)
def test_state_of_the_model_is_told(client: TestClient, path: str, expected: object) -> None:
    """The models, and the state of one in the words of both servers; the paths without regard to case."""
    answer = client.get(path, follow_redirects=False)
    assert (answer.status_code, answer.json()) == (200, expected)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-model-version"] == "0123456789ab"


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_metadata_are_protocol_buffers_as_json(client: TestClient, version: str) -> None:
    """64-bit numbers are strings, and defaults are written, as TensorFlow Serving does."""
    found = client.get(f"{MODEL}{version}/metadata").json()
    assert found["model_spec"] == {"name": "fake", "signature_name": "", "version": "1"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert list(signatures) == ["serving_default", "pixels", "images", "details"]
    assert signatures["serving_default"] == {
        "inputs": {"image": describe("DT_FLOAT", "serving_default_image_from_0_to_1:0", -1, 28, 28, 1)},
        "outputs": {"probabilities": describe("DT_FLOAT", "serving_default_probabilities:0", -1, 10)},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }
    assert signatures["images"]["inputs"] == {"image": describe("DT_STRING", "images_image:0", -1)}
    outputs = signatures["details"]["outputs"]
    assert {name: tensor["dtype"] for name, tensor in outputs.items()} == {
        "probabilities": "DT_FLOAT",
        "label": "DT_STRING",
        "class_id": "DT_INT64",
        "probability": "DT_FLOAT",
        "novelty": "DT_FLOAT",
        "accepted": "DT_BOOL",
    }


@pytest.mark.parametrize("path", [f"{MODEL}:predict", f"{MODEL}/versions/1:predict", "/V1/MODELS/fake:Predict"])
@pytest.mark.parametrize("has_fast_path", [True, False], ids=["fast path", "routes"])
def test_prediction_is_answered(path: str, *, has_fast_path: bool) -> None:
    """A prediction is asked with a body of any type, with and without the fast path."""
    app = fake_app()
    app.operations = app.operations if has_fast_path else ()
    with TestClient(app) as client:
        answer = client.post(path, content=ROWS, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert np.argmax(answer.json()["predictions"], axis=1) == [3]
    assert answer.headers["x-model-version"] == "0123456789ab"


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("GET", "/v1/models/nope", 404, "Could not find any versions of model nope"),
        ("GET", f"{MODEL}/versions/2", 404, "Could not find version 2 of model fake"),
        ("GET", "/v1/models/nope/metadata", 404, "Servable not found for request: Latest(nope)"),
        ("GET", f"{MODEL}/versions/2/metadata", 404, "Servable not found for request: Specific(fake, 2)"),
        ("POST", "/v1/models/nope:predict", 404, "Servable not found for request: Latest(nope)"),
        ("POST", f"{MODEL}/versions/2:predict", 404, "Servable not found for request: Specific(fake, 2)"),
        ("POST", "/v1/models/a%20b:predict", 404, "Servable not found for request: Latest(a b)"),
        ("POST", f"{MODEL}:classify", 400, "`classify` is not offered; `predict` is"),
        ("POST", f"{MODEL}:regress", 400, "`regress` is not offered; `predict` is"),
        ("POST", f"{MODEL}/versions/1:explain", 400, "`explain` is not offered; `predict` is"),
        ("POST", f"{MODEL}:predictions", 400, "`predictions` is not offered; `predict` is"),
        ("POST", f"{MODEL}/labels/stable:predict", 400, "Unrecognized servable version label: stable; versions have"),
        ("GET", f"{MODEL}/labels/stable", 400, "Unrecognized servable version label: stable; versions have"),
        ("GET", f"{MODEL}/labels/stable/metadata", 400, "Unrecognized servable version label: stable; versions have"),
        ("GET", f"{MODEL}:predict", 405, "GET is not for this address; ask it by POST"),
        ("DELETE", f"{MODEL}:predict", 405, "DELETE is not for this address"),
        ("POST", MODEL, 405, "POST is not for this address; ask it by GET"),
        ("POST", f"{MODEL}/predict", 404, f"there is nothing at {MODEL}/predict; ask {MODEL}:predict"),
        ("POST", "/v1/models//predict", 404, "there is nothing at /v1/models//predict"),
        ("GET", "/v1/unknown", 404, "there is nothing at /v1/unknown"),
        ("GET", "/v1/", 404, "there is nothing at /v1/"),
        ("GET", "/v1", 404, "there is nothing at /v1"),
        ("POST", f"{MODEL}/versions:predict", 404, "there is nothing at"),
    ],
)
def test_error_has_the_protocols_form(client: TestClient, method: str, path: str, status: int, said: str) -> None:
    """Whatever is wrong, the body is JSON with the one member `error`, and no redirection leads elsewhere."""
    answer = client.request(method, path, content=ROWS, follow_redirects=False)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert list(answer.json()) == ["error"]
    assert answer.json()["error"].startswith(said)
    assert ("allow" in answer.headers) == (status == 405)
    assert "x-request-id" in answer.headers


def test_allowed_method_is_named(client: TestClient) -> None:
    """405 names the method that there is."""
    assert client.get(f"{MODEL}:predict").headers["allow"] == "POST"
    assert client.delete(MODEL).headers["allow"] == "GET"


def test_stopping_service_is_not_ready(client: TestClient) -> None:
    """While the service drains, its state is an error; predictions are still answered."""
    find_service(client).drain()
    answer = client.get(MODEL)
    assert (answer.status_code, answer.json()) == (503, {"error": "the service is stopping"})
    assert "retry-after" in answer.headers
    assert client.post(f"{MODEL}:predict", content=ROWS).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/models"), ("GET", MODEL), ("POST", f"{MODEL}:predict")])
def test_key_is_needed(make_client: MakeClient, method: str, path: str) -> None:
    """Where keys are asked for, these routes need one, in either header."""
    client = make_client(api_keys=(SecretStr("key"),))
    refused = client.request(method, path, content=ROWS)
    assert (refused.status_code, list(refused.json())) == (401, ["error"])
    for headers in ({"Authorization": "Bearer key"}, {"X-API-Key": "key"}):
        assert client.request(method, path, content=ROWS, headers=headers).status_code == 200


def test_body_over_the_limit_is_refused(make_client: MakeClient) -> None:
    """A large body is refused in the protocol's form, as is a coding that is not read."""
    client = make_client(max_upload_bytes=2000)
    answer = client.post(f"{MODEL}:predict", content=ROWS)
    assert (answer.status_code, list(answer.json())) == (413, ["error"])
    answer = client.post(f"{MODEL}:predict", content=b"{}", headers={"Content-Encoding": "br"})
    assert (answer.status_code, answer.headers["accept-encoding"]) == (415, "gzip, deflate, identity")


@pytest.fixture(scope="module")
def fashion_model(real_service: dict[str, str]) -> Iterator[TestClient]:
    """A service of the committed model, by the name that the tutorial's client calls its own."""
    fields = {name.removeprefix("FASHION_").lower(): value for name, value in real_service.items()}
    settings = Settings(_env_file=None, served_name="fashion_model", **fields)  # type: ignore[arg-type]  # as variables
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture(scope="module")
def test_set(real_service: dict[str, str]) -> Split:
    source = DataSource.from_settings(Settings(_env_file=None, data_dir=real_service["FASHION_DATA_DIR"]))
    return source.load("test")


@pytest.mark.tensorflow
@pytest.mark.parametrize("path", ["/v1/models/fashion_model:predict", "/v1/models/fashion_model/versions/1:predict"])
def test_tutorial_of_tensorflow_serving_is_answered(fashion_model: TestClient, test_set: Split, path: str) -> None:
    """Its client sends three images of this data set, 28×28×1 floats, and takes the most probable class of each."""
    images = (test_set.images[:3] / 255.0).reshape(3, 28, 28, 1)
    data = json.dumps({"signature_name": "serving_default", "instances": images.tolist()})
    answer = fashion_model.post(path, content=data, headers={"content-type": "application/json"})
    predictions = json.loads(answer.text)["predictions"]
    found = [FASHION_MNIST_LABELS[np.argmax(prediction)] for prediction in predictions]
    assert found == [FASHION_MNIST_LABELS[label] for label in test_set.labels[:3]]


@pytest.mark.tensorflow
def test_probabilities_are_those_of_the_native_api(fashion_model: TestClient, test_set: Split) -> None:
    """256 test images get the same, as floats from 0 to 1 and as whole pixels."""
    images = test_set.images[:256]
    native = fashion_model.post("/api/v1/predictions", json={"images": images.tolist()}).json()["predictions"]
    expected = [list(prediction["probabilities"].values()) for prediction in native]
    bodies = [{"instances": (images / 255).tolist()}, {"signature_name": "pixels", "instances": images.tolist()}]
    for body in bodies:
        found = fashion_model.post("/v1/models/fashion_model:predict", json=body).json()["predictions"]
        np.testing.assert_allclose(found, expected, atol=1e-6)
