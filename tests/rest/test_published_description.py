"""Requests that schemathesis generates from the Open Inference Protocol's own description, and their answers."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rest.test_generated_requests import FLAGS, Report, list_cases, run_schemathesis
from tests.servers import serve_app

pytestmark = pytest.mark.services

DESCRIPTION = Path(__file__).with_name("open_inference_rest.yaml")
INFER = "/v2/models/{MODEL_NAME}/versions/{MODEL_VERSION}/infer"
EXAMPLE = {"inputs": [{"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": [0] * 784}]}


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """The description, with an example of what this service takes: of tensors it says only that they have numbers."""
    described: dict[str, Any] = yaml.safe_load(DESCRIPTION.read_text())
    described["paths"][INFER]["post"]["requestBody"]["content"]["application/json"]["example"] = EXAMPLE
    return described


@pytest.fixture(scope="module")
def report(description: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A run with all checks but the one that wants every tensor taken that the description allows."""
    folder = tmp_path_factory.mktemp("schemathesis")
    file, events = folder / "openapi.json", folder / "events.ndjson"
    file.write_text(json.dumps(description))
    flags = (*FLAGS, "--max-examples=12", "--exclude-checks=positive_data_acceptance")
    with serve_app("uvicorn", "tests.served_app:app", FASHION_SERVED_NAME="fashion") as server:
        done = run_schemathesis(folder, str(file), f"--url={server.url}", *flags, f"--report-ndjson-path={events}")
    return Report(done.stdout, done.returncode, [json.loads(line) for line in events.read_text().splitlines()])


def test_every_answer_is_as_the_protocol_says(report: Report) -> None:
    """Callers who have only the published description find what it says."""
    assert report.status == 0, report.output


def test_every_operation_is_asked(report: Report, description: dict[str, Any]) -> None:
    """No operation is left out, and inference is asked rightly and wrongly."""
    counts = Counter(list_cases(report))
    asked = {operation for operation, _ in counts}
    assert asked == {
        f"{method.upper()} {path}"
        for path, item in description["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert {(f"POST {INFER}", mode) for mode in ("positive", "negative")} <= set(counts)
