"""What clients of the Open Inference Protocol ask besides inference."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from fashion_api.settings import FASHION_MNIST_LABELS
from tests.conftest import MakeClient, find_service
from tests.fakes import NovelClassifier
from tests.open_inference import PATH, infer, tensor

MODEL = "/v2/models/fake"
SETTINGS = {"/v2/logging": "log_info", "/v2/trace/setting": "trace_level", f"{MODEL}/trace/setting": "trace_level"}
REGIONS = [f"/v2/{kind}sharedmemory" for kind in ("system", "cuda")]


@pytest.fixture
def novel(make_client: MakeClient) -> TestClient:
    """A client of a model that scores novelty."""
    return make_client(NovelClassifier())


def read(client: TestClient, path: str) -> Any:  # noqa: ANN401  # JSON
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return answer.json()


def test_server_names_the_extensions_that_are_there(client: TestClient) -> None:
    """No extension is named of which a part is refused, as of shared memory or of the repository."""
    server = read(client, "/v2")
    assert (server["name"], set(server)) == ("fashion-api", {"name", "version", "extensions"})
    assert server["extensions"] == ["binary_tensor_data", "classification", "model_configuration", "statistics"]
    assert read(client, "/v2/") == server


def test_model_has_one_input_and_one_output(novel: TestClient) -> None:
    """Programs that learn all from the metadata find one input and one output; the rest is said in words."""
    metadata = read(novel, MODEL)
    assert (metadata["name"], metadata["versions"], metadata["platform"]) == ("fake", ["1"], "onnx_onnxv1")
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, 28, 28, 1]}]
    assert metadata["outputs"] == [{"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]}]
    properties = metadata["properties"]
    assert properties["digest"] == "0123456789ab"
    assert json.loads(properties["labels"]) == list(FASHION_MNIST_LABELS)
    assert properties["pixel_range"].startswith("0-255")
    assert properties["further_outputs"] == "label BYTES, class_id INT64, probability FP32, novelty FP32, accepted BOOL"
    assert read(novel, f"{MODEL}/versions/1") == metadata


def test_configuration_says_what_metadata_cannot(novel: TestClient) -> None:
    """The configuration has the most images of a request, and dimensions without their number."""
    config = read(novel, f"{MODEL}/config")
    assert config["max_batch_size"] == 256
    assert [config["input"][0][name] for name in ("name", "data_type", "format", "dims")] == [
        "image",
        "TYPE_UINT8",
        "FORMAT_NHWC",
        [28, 28, 1],
    ]
    assert [config["output"][0][name] for name in ("name", "data_type", "dims")] == ["probabilities", "TYPE_FP32", [10]]
    assert config["dynamic_batching"] == {"preferred_batch_size": [16], "max_queue_delay_microseconds": 0}
    assert config["parameters"]["digest"] == {"string_value": "0123456789ab"}
    assert read(novel, f"{MODEL}/versions/1/config") == config


def test_names_are_those_that_are_set(make_client: MakeClient) -> None:
    """The model is called what clients call it, and found by no other name or version."""
    client = make_client(served_name="mnist", served_version=7, served_input="x", served_output="y")
    metadata = read(client, "/v2/models/mnist/versions/7")
    assert (metadata["versions"], metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]) == (["7"], "x", "y")
    assert read(client, "/v2/models") == {"models": ["mnist"]}
    assert client.get(MODEL).status_code == 404
    assert client.get("/v2/models/mnist/versions/1").status_code == 404


@pytest.mark.parametrize("what", ["", "/ready", "/config", "/stats", "/trace/setting"])
def test_unknown_model_is_not_found(client: TestClient, what: str) -> None:
    """An unknown model has the words that sample programs look for."""
    answer = client.get(f"/v2/models/nope{what}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("Request for unknown model: 'nope' is not found")


def test_statistics_count_requests_images_and_batches(client: TestClient) -> None:
    """The sums grow by what was done, also through other protocols, and agree with one another."""
    stats = [read(client, "/v2/models/stats")["model_stats"][0]]
    client.post(PATH, content=infer(tensor(shape=[3, 784], data=[0] * 2352)).body)
    client.get("/api/v1/test-images/9/prediction")
    client.post(PATH, content=b"{}")
    stats.append(read(client, f"{MODEL}/stats")["model_stats"][0])
    before, after = stats
    assert (after["name"], after["version"]) == ("fake", "1")
    counts = [[found["inference_stats"][name]["count"] for found in stats] for name in ("success", "fail")]
    assert counts == [[0, 2], [0, 0]]
    steps = ("queue", "compute_input", "compute_infer", "compute_output")
    times = [after["inference_stats"][name] for name in steps]
    assert [time["count"] for time in times] == [2] * 4
    assert sum(time["ns"] for time in times) == pytest.approx(after["inference_stats"]["success"]["ns"], abs=10)
    assert after["inference_count"] == before["inference_count"] + 4
    batches = {found["batch_size"]: found["compute_infer"]["count"] for found in after["batch_stats"]}
    assert sum(batches.values()) == after["execution_count"]
    assert sum(size * count for size, count in batches.items()) == after["inference_count"]
    assert after["last_inference"] > before["last_inference"]


def test_health_has_a_body(client: TestClient) -> None:
    """One of the clients parses it: an empty body would be an exception there."""
    assert read(client, "/v2/health/live") == {"live": True}
    assert read(client, "/v2/health/ready") == {"live": True, "ready": True}
    assert read(client, f"{MODEL}/ready") == {"name": "fake", "ready": True}


def test_service_that_stops_is_alive_and_not_ready(client: TestClient) -> None:
    """While the service drains, it says so in the protocol's form."""
    find_service(client).drain()
    answers = [client.get(path) for path in ("/v2/health/ready", f"{MODEL}/ready", f"{MODEL}/versions/1/ready")]
    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.json()["error"] for answer in answers} == {"the service is stopping"}
    assert client.get("/v2/health/live").status_code == 200


@pytest.mark.parametrize("body", [b"", b"{}", b'{"ready": true}', b'{"ready": false, "repository_name": ""}'])
def test_repository_has_one_model(client: TestClient, body: bytes) -> None:
    """The index names the model, whatever is asked for."""
    answer = client.post("/v2/repository/index", content=body)
    assert answer.json() == [{"name": "fake", "version": "1", "state": "READY", "reason": ""}]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"[]", "the body must be an object, not a list"),
        (b"\xef\xbb\xbf{}", "begins with a byte-order mark"),
        (b'{"ready": 1}', "ready: must be a boolean"),
        (b'{"a": [' + b"[]," * 10_000 + b"1]}", "far more lists or values"),
    ],
)
def test_wrong_question_to_the_repository_is_refused(client: TestClient, body: bytes, message: str) -> None:
    """What is wrong with it is said."""
    answer = client.post("/v2/repository/index", content=body)
    assert (answer.status_code, message in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_model_cannot_be_loaded_by_a_request(client: TestClient, verb: str) -> None:
    """The service loads its model itself, as a server of that protocol without explicit control does."""
    answer = client.post(f"/v2/repository/models/fake/{verb}", content=b"{}")
    assert (answer.status_code, "not allowed" in answer.json()["error"]) == (503, True)


@pytest.mark.parametrize("path", SETTINGS)
def test_settings_are_told_and_not_changed(client: TestClient, path: str) -> None:
    """Setting what is set changes nothing and is answered; anything else is refused."""
    settings = read(client, path)
    assert SETTINGS[path] in settings
    assert client.post(path).json() == client.post(path, json=settings).json() == settings
    refused = [
        client.post(path, content=body) for body in (b'{"%b": "y"}' % SETTINGS[path].encode(), b'{"x": 1}', b"[]")
    ]
    assert [answer.status_code for answer in refused] == [400] * 3
    said = [answer.json()["error"] for answer in refused]
    assert said[0] == f"{SETTINGS[path]}: cannot be changed by a request: who runs the service sets it"
    assert said[1].startswith("x: is no setting; there are ")
    assert read(client, path) == settings


def test_number_is_not_the_truth_value_of_a_setting(client: TestClient) -> None:
    """1 is not `true`: who sends it means another setting than there is."""
    assert [client.post("/v2/logging", json={"log_info": value}).status_code for value in (True, 1)] == [200, 400]


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", [True, True, True, 1]),
        ("info", [True, True, True, 0]),
        ("warning", [False, True, True, 0]),
        ("error", [False, False, True, 0]),
        ("critical", [False, False, False, 0]),
    ],
)
def test_log_settings_are_the_services(make_client: MakeClient, level: str, told: list[object]) -> None:
    """What is logged follows from the service's own level."""
    settings = read(make_client(log_level=level), "/v2/logging")
    assert [settings[name] for name in ("log_info", "log_warning", "log_error", "log_verbose_level")] == told


@pytest.mark.parametrize("regions", REGIONS)
def test_shared_memory_is_not_offered(client: TestClient, regions: str) -> None:
    """There is no region: none can be registered, and to unregister one is nothing to do."""
    assert read(client, f"{regions}/status") == read(client, f"{regions}/region/r/status") == []
    answer = client.post(f"{regions}/region/r/register", json={"key": "/r", "offset": 0, "byte_size": 784})
    assert (answer.status_code, "shared memory is not offered" in answer.json()["error"]) == (400, True)
    assert [client.post(f"{regions}{path}").status_code for path in ("/unregister", "/region/r/unregister")] == [
        200
    ] * 2
