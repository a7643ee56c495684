"""Unmodified clients of the inference protocols, each in an environment of its own, get the native API's answers."""

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fashion_api.data.dataset import DataSource
from fashion_api.settings import Settings
from tests.clients.environments import HERE, NEEDS_LINUX, PERF_ANALYZER, find_python, install_python
from tests.servers import LOCALHOST, ServerProcess, find_free_port, serve

pytestmark = pytest.mark.clients

MODEL = "fashion_model"
"""The name in the tutorial of TensorFlow Serving's manual."""
IMAGES = 256
TOLERANCE = 1e-6
WINDOWS, WINDOW_S = 3, 10
CONCURRENCY = 4
# Where a client hangs, its test ends.
LIMIT_S = 180


@dataclass(frozen=True)
class Asked:
    """The service that all clients ask, and what its native API says of the first test images."""

    server: ServerProcess
    grpc_address: str
    images: Path
    """An .npz, as tests/clients/programs/served.py describes it."""

    def read(self, name: str) -> "np.ndarray[Any, Any]":
        """Read an array of the file."""
        with np.load(self.images) as file:
            array: np.ndarray[Any, Any] = file[name]
        return array

    def read_statistics(self) -> dict[str, Any]:
        """Ask for the model's figures."""
        with self.server.connect() as client:
            answer = client.get(f"/v2/models/{MODEL}/stats").raise_for_status().json()
        (statistics,) = answer["model_stats"]
        assert isinstance(statistics, dict)
        return statistics


@pytest.fixture(scope="module")
def asked(real_service: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """The service with the committed model, by the name that the tutorial gives to its own."""
    port = find_free_port()
    names = {"FASHION_SERVED_NAME": MODEL, "FASHION_GRPC_PORT": str(port)}
    file = tmp_path_factory.mktemp("images") / "images.npz"
    with serve(**real_service, **names) as server:
        images = DataSource.from_settings(Settings(_env_file=None)).load("test").images[:IMAGES]
        with server.connect() as client:
            while client.get("/api/v1/confusion-matrix").status_code == 503:
                time.sleep(0.2)  # the figures count the test set's images too, while it is being predicted
            answer = client.post("/api/v1/predictions", json={"images": images.tolist()}).raise_for_status().json()
        rows = [list(prediction["probabilities"].values()) for prediction in answer["predictions"]]
        np.savez(file, images=images, probabilities=np.array(rows, np.float32))
        yield Asked(server, f"{LOCALHOST}:{port}", file)


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a client to its end, and give what it writes to standard output."""
    done = subprocess.run(  # noqa: S603  # our own command
        [str(part) for part in command],
        cwd=cwd,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done.stdout


@pytest.mark.parametrize(
    ("environment", "program"),
    [
        ("tritonclient", "triton_http"),
        ("tritonclient", "triton_grpc"),
        ("tritonclient", "triton_image"),
        ("kserve", "kserve_clients"),
        ("tensorflow-serving", "tensorflow_serving_client"),
        ("tutorial", "tutorial"),
    ],
)
def test_client_gets_the_native_answers(environment: str, program: str, asked: Asked, tmp_path: Path) -> None:
    """Every call that a client has is answered, or refused in words that it shows, and probabilities are the same."""
    python, variables = find_python(environment)
    arguments = (asked.server.url, asked.grpc_address, MODEL, asked.images)
    report = json.loads(run(python, HERE / "programs" / f"{program}.py", *arguments, cwd=tmp_path, **variables))
    assert report
    faults = [f"{check}:\n{fault}" for check, fault in report.items() if fault is not None]
    assert not faults, f"{len(faults)} of {len(report)} checks failed\n\n" + "\n".join(faults)


@pytest.mark.parametrize("flags", [(), ("--binary-data",)], ids=["json", "binary"])
def test_mlserver_infers_a_file(flags: Sequence[str], asked: Asked, tmp_path: Path) -> None:
    """`mlserver infer` gets an answer for each line of a file, some of them in one request."""
    lines, answers = tmp_path / "lines.jsonl", tmp_path / "answers.jsonl"
    with lines.open("w") as file:
        for image in asked.read("images"):
            tensor = {"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": image.ravel().tolist()}
            file.write(json.dumps({"inputs": [tensor]}) + "\n")
    command = install_python("mlserver") / "bin" / "mlserver"
    address = asked.server.url.removeprefix("http://")
    places = ("-i", lines, "-o", answers, "--batch-size=8", "--workers=4", "--retries=1")
    run(command, "infer", "-u", address, "-m", MODEL, *places, *flags, cwd=tmp_path)
    found = np.full((IMAGES, 10), np.nan)
    for line in answers.read_text().splitlines():
        answer = json.loads(line)
        assert "error" not in answer, answer
        found[answer["parameters"]["batch_index"]] = answer["outputs"][0]["data"]
    np.testing.assert_allclose(found, asked.read("probabilities"), rtol=0, atol=TOLERANCE)


SERVING = ("-i", "grpc", "--service-kind=tfserving", "--model-signature-name=serving_default", "--shape=image:28,28,1")


@NEEDS_LINUX
@pytest.mark.parametrize(
    "flags",
    [("-i", "http"), ("-i", "grpc"), ("-i", "grpc", "--streaming"), SERVING],
    ids=["http", "grpc", "streaming", "tensorflow-serving"],
)
def test_perf_analyzer_finds_no_error(flags: Sequence[str], asked: Asked, tmp_path: Path) -> None:
    """`perf_analyzer` asks for half a minute without an error, and the service's figures agree with what it counts."""
    python, variables = find_python(PERF_ANALYZER)
    address = asked.grpc_address if "grpc" in flags else asked.server.url.removeprefix("http://")
    data: tuple[str, ...] = ()
    if flags is SERVING:
        # By default it sends random bytes: they make no floats from 0 to 1, and for uint8 it sends numbers of which it
        # sets the lowest byte only. A batch size has to be given where there is a file.
        data = ("-b", "1", f"--input-data={write_rows(asked, tmp_path / 'rows.json')}")
    before = asked.read_statistics()
    written = run(
        python.parent / "perf_analyzer",
        *("-m", MODEL, "-u", address, *flags, *data),
        # However much the windows differ, three are enough.
        *(f"--measurement-interval={WINDOW_S * 1000}", f"--max-trials={WINDOWS}", "--stability-percentage=999"),
        f"--concurrency-range={CONCURRENCY}",
        cwd=tmp_path,
        **variables,
    )
    after = asked.read_statistics()
    requests = read_figure("Request count", written)
    assert requests > 0
    # What is under way at the edge of a window is counted on one side only.
    edges = 2 * WINDOWS * CONCURRENCY
    if flags is not SERVING:  # its protocol has no figures
        assert abs(read_figure("Inference count", written) - requests) <= edges
        assert abs(read_figure("Successful request count", written) - requests) <= edges
        assert 0 < read_figure("Execution count", written) <= requests + edges
    check_figures(after)
    assert after["inference_count"] - before["inference_count"] >= requests
    succeeded, failed = (count(after, name) - count(before, name) for name in ("success", "fail"))
    assert succeeded == after["inference_count"] - before["inference_count"]
    assert failed == 0


def write_rows(asked: Asked, file: Path) -> Path:
    """Write images as the tool reads them: floats from 0 to 1."""
    images = asked.read("images")[:16]
    rows = [{"image": {"content": (image / 255).ravel().tolist(), "shape": [28, 28, 1]}} for image in images]
    file.write_text(json.dumps({"data": rows}))
    return file


def read_figure(name: str, written: str) -> int:
    """Read a number from the tool's report."""
    found = re.search(rf"\b{name}: (\d+)", written)
    assert found, written
    return int(found[1])


def count(statistics: Mapping[str, Any], name: str) -> int:
    """Read how often something has happened."""
    counted: int = statistics["inference_stats"][name]["count"]
    return counted


def check_figures(statistics: Mapping[str, Any]) -> None:
    """Check that what is counted in several places is the same in all, and that parts are no more than the whole."""
    batches = [(each["batch_size"], each["compute_infer"]["count"]) for each in statistics["batch_stats"]]
    assert sum(size * times for size, times in batches) == statistics["inference_count"]
    assert sum(times for _, times in batches) == statistics["execution_count"]
    figures = statistics["inference_stats"]
    parts = [figures[name]["ns"] for name in ("queue", "compute_input", "compute_infer", "compute_output")]
    assert sum(parts) <= figures["success"]["ns"]


def test_curl_is_answered(asked: Asked, tmp_path: Path) -> None:
    """The lines of TensorFlow Serving's manual for `curl`, whose `-d` calls the body a form, with the name set."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps({"instances": (asked.read("images")[:3, ..., np.newaxis] / 255).tolist()}))
    for path in (f"{MODEL}:predict", f"{MODEL}/versions/1:predict"):
        url = f"{asked.server.url}/v1/models/{path}"
        answer = json.loads(run("curl", "-sS", "-d", f"@{rows}", "-X", "POST", url, cwd=tmp_path))
        np.testing.assert_allclose(answer["predictions"], asked.read("probabilities")[:3], rtol=0, atol=TOLERANCE)
    status = json.loads(run("curl", "-sS", f"{asked.server.url}/v1/models/{MODEL}", cwd=tmp_path))
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    metadata = json.loads(run("curl", "-sS", f"{asked.server.url}/v1/models/{MODEL}/metadata", cwd=tmp_path))
    assert metadata["model_spec"]["name"] == MODEL
