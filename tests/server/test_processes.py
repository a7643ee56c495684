"""The real server with the committed model and the real test set, as its users meet it."""

import base64
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import pytest

from fashion_api.data.dataset import DataSource, Split
from fashion_api.inference.manifest import read_manifest
from fashion_api.settings import Settings

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "models" / "fashion_mnist.h5"
START_LIMIT_S = 120


class Server:
    """A `fashion-api serve` of its own, on a free port."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-m", "fashion_api", "serve", "--port", "0", *arguments],
            cwd=ROOT,
            env=os.environ | environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.url = ""

    def wait_until_ready(self) -> httpx2.Client:
        """Read the log until the service is ready, and give a client of it."""
        return self.read_until("ready", times=1)

    def read_until(self, message: str, *, times: int) -> httpx2.Client:
        """Read the log until a message has come so many times, and give a client of the service."""
        assert self.process.stderr is not None
        watchdog = threading.Timer(START_LIMIT_S, self.process.kill)  # ends the loop below where nothing else does
        watchdog.start()
        for line in self.process.stderr:
            self.lines.append(line)
            if found := re.search(r"will serve on (http://\S+)", line):
                self.url = found[1]
            times -= bool(re.search(rf'(: |"message": "){message}\b', line))  # as text, or as JSON
            if times == 0:
                watchdog.cancel()
                transport = httpx2.HTTPTransport(retries=5)  # it listens a moment after it is ready
                return httpx2.Client(base_url=self.url, transport=transport, timeout=START_LIMIT_S)
        raise AssertionError("".join(self.lines))

    def stop(self) -> int:
        """End it as an operator would; gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Read the rest of the log, and give the exit status."""
        _, rest = self.process.communicate(timeout=START_LIMIT_S)
        self.lines.extend(rest.splitlines(keepends=True))
        return self.process.returncode


@contextmanager
def serve(*arguments: str, **environment: str) -> Iterator[Server]:
    """A server that is ended in any case."""
    server = Server(*arguments, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.wait()


@pytest.fixture(scope="module")
def client() -> Iterator[httpx2.Client]:
    """A client of a server that all tests of this file share."""
    with serve() as server, server.wait_until_ready() as client:
        yield client


@pytest.fixture(scope="module")
def test_set() -> Split:
    """The real test set."""
    return DataSource.from_settings(Settings(_env_file=None)).load("test")


def test_all_test_images_give_the_manifests_accuracy(client: httpx2.Client, test_set: Split) -> None:
    """All 10,000 test images through the service score exactly what the manifest says."""
    manifest = read_manifest(MODEL)
    assert manifest is not None
    assert manifest.evaluation is not None
    correct = 0
    for start in range(0, len(test_set), 250):
        images = test_set.images[start : start + 250].tolist()
        answer = client.post("/api/v1/predictions", json={"images": images}).json()
        class_ids = [prediction["class_id"] for prediction in answer["predictions"]]
        correct += int((np.array(class_ids) == test_set.labels[start : start + 250]).sum())
    assert (correct, correct / len(test_set)) == (manifest.evaluation.correct, manifest.evaluation.accuracy)


@pytest.mark.parametrize(
    "path",
    [
        "/livez",
        "/readyz",
        "/api/v1/model",
        "/api/v1/test-images?limit=3&label=Bag",
        "/api/v1/test-images/42",
        "/api/v1/test-images/42/image?scale=4",
        "/api/v1/test-images/42/prediction",
        "/predict?test_image_num=42",
        "/real?test_image_num=42",
        "/docs",
        "/redoc",
        "/openapi.json",
    ],
)
def test_every_get_route_answers(client: httpx2.Client, path: str) -> None:
    """Each route of the contract answers 200 from the real server."""
    assert client.get(path).status_code == 200


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


def test_body_that_is_declared_too_large_is_refused_unread(client: httpx2.Client) -> None:
    """A body over the limit is refused on its Content-Length, before any of it is sent; the next caller is served."""
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=START_LIMIT_S) as sock:
        sock.sendall(
            b"POST /api/v1/predictions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 99999999999\r\n\r\n"
        )
        assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert client.get("/livez").status_code == 200


def test_index_beyond_what_python_reads_is_refused(client: httpx2.Client) -> None:
    """An index of 5,000 digits, more than Python turns into a number, is answered as any other wrong index."""
    assert client.get(f"/api/v1/test-images/{'9' * 5000}").status_code in {404, 422}


def test_server_stops_on_sigterm_with_success() -> None:
    """SIGTERM ends the service with status 0, and its log has one line a request."""
    with serve(FASHION_LOG_FORMAT="json") as server:
        with server.wait_until_ready() as client:
            client.get("/api/v1/model", headers={"X-Request-ID": "the-only-one"})
        assert server.stop() == 0
        records = [json.loads(line) for line in server.lines]
        assert [record["status"] for record in records if record.get("request_id") == "the-only-one"] == [200]


def test_worker_that_dies_is_replaced() -> None:
    """With two workers, one that is killed is replaced, and the service goes on answering."""
    with serve("--workers", "2") as server:
        server.read_until("ready", times=2)
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)  # the last that was started is a worker
        with server.read_until("ready", times=1) as client:
            assert client.get("/readyz").status_code == 200
        assert server.stop() == 0


def test_port_in_use_is_told_at_once() -> None:
    """A port in use ends the start with one line that names it, before the model is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with serve("--port", str(port)) as server:
            assert server.wait() == 1
    (line,) = server.lines
    assert line.startswith(f"fashion-api: cannot listen on 127.0.0.1 port {port}: Address already in use")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_missing_model_ends_the_start(tmp_path: Path, workers: str) -> None:
    """A model that is not there ends the start with a status that is not 0; one line tells why, and no traceback."""
    with serve("--workers", workers, FASHION_MODEL_PATH=str(tmp_path / "none.h5")) as server:
        assert server.wait() == 1
    critical = [line for line in server.lines if "CRITICAL" in line]
    assert len(critical) >= 1
    assert all("there is no model" in line for line in critical)
    assert not any("Traceback" in line for line in server.lines)
