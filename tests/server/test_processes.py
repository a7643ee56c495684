"""The real server with the committed model and the real test set, as its users meet it."""

import base64
import json
import signal
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import httpx2
import numpy as np
import pytest

from fashion_api.data.dataset import DataSource, Split
from fashion_api.inference.manifest import read_manifest
from fashion_api.settings import Settings
from tests.conftest import MODEL
from tests.raw_http import ask, connect, write_request
from tests.servers import serve, start

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def client(real_service: dict[str, str]) -> Iterator[httpx2.Client]:
    """A client of a server that all tests of this file share."""
    with serve(**real_service) as server, server.connect() as client:
        yield client


@pytest.fixture(scope="module")
def test_set(real_service: dict[str, str]) -> Split:
    """The real test set."""
    return DataSource.from_settings(Settings(_env_file=None, data_dir=real_service["FASHION_DATA_DIR"])).load("test")


def test_all_test_images_give_the_manifests_accuracy(client: httpx2.Client, test_set: Split) -> None:
    """All 10,000 test images through the service score exactly what the manifest says."""
    manifest = read_manifest(MODEL)
    assert manifest is not None
    assert manifest.evaluation is not None
    correct = 0
    for first in range(0, len(test_set), 250):
        images = test_set.images[first : first + 250].tolist()
        answer = client.post("/api/v1/predictions", json={"images": images}).json()
        class_ids = [prediction["class_id"] for prediction in answer["predictions"]]
        correct += int((np.array(class_ids) == test_set.labels[first : first + 250]).sum())
    assert (correct, correct / len(test_set)) == (manifest.evaluation.correct, manifest.evaluation.accuracy)


def test_every_input_form_gives_the_same_answer(client: httpx2.Client, test_set: Split) -> None:
    """One test image gets the same probabilities by index, as an array, in base64, as a part and as a raw body."""
    by_index = client.get("/api/v1/test-images/7/prediction").json()["prediction"]["probabilities"]
    picture = client.get("/api/v1/test-images/7/image").content
    rows = test_set.images[7].tolist()
    answers = [
        client.post("/api/v1/predictions", json={"images": [rows]}),
        client.post("/api/v1/predictions", json={"images": [base64.b64encode(picture).decode()]}),
        client.post("/api/v1/predictions/upload", files={"file": ("x.png", picture)}),
        client.post("/api/v1/predictions/upload", content=picture, headers={"Content-Type": "image/png"}),
    ]
    for answer in answers:
        assert answer.json()["predictions"][0]["probabilities"] == pytest.approx(by_index, abs=1e-6)


def test_server_stops_on_sigterm_with_success(real_service: dict[str, str]) -> None:
    """SIGTERM ends the service with status 0, and its log has one line a request."""
    with serve(**real_service, FASHION_LOG_FORMAT="json") as server:
        with server.connect() as client:
            client.get("/api/v1/model", headers={"X-Request-ID": "the-only-one"})
        assert server.stop() == 0
        records = [json.loads(line) for line in server.log.lines]
        assert [record["status"] for record in records if record.get("request_id") == "the-only-one"] == [200]


def test_service_answers_while_it_drains(real_service: dict[str, str]) -> None:
    """After SIGTERM, requests are answered for the drain delay, without keeping connections; /readyz says 503."""
    with serve(**real_service, FASHION_DRAIN_DELAY_S="3600") as server:
        server.process.send_signal(signal.SIGTERM)
        while ask(server.address, write_request("GET", "/readyz")).status == HTTPStatus.OK:
            pass
        with connect(server.address) as connection:
            answer = connection.ask(write_request("GET", "/api/v1/test-images/1/prediction"))
            assert (answer.status, connection.read_rest()) == (200, b"")
        server.process.kill()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_missing_model_ends_the_start(tmp_path: Path, workers: str) -> None:
    """A model that is not there ends the start with a status that is not 0; one line tells why, and no traceback."""
    model = str(tmp_path / "none.h5")
    with start(("fashion_api", "serve", "--port", "0", "--workers", workers), FASHION_MODEL_PATH=model) as server:
        assert server.wait() == 1
    critical = [line for line in server.log.lines if "CRITICAL" in line]
    assert len(critical) >= 1
    assert all("there is no model" in line for line in critical)
    assert not any("Traceback" in line for line in server.log.lines)


def test_port_in_use_is_told_at_once() -> None:
    """A port in use ends the start with one line that names it, before the model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with start(("fashion_api", "serve", "--port", str(port))) as server:
            assert server.wait() == 1
    (line,) = server.log.lines
    assert line.startswith(f"fashion-api: cannot listen on 127.0.0.1 port {port}: Address already in use")
    assert "--port or FASHION_PORT" in line
