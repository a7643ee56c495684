"""Requests that schemathesis generates from `/openapi.json`, valid and invalid ones, and what they are answered."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.rest.test_openapi import STATUSES
from tests.servers import ROOT, serve_app

pytestmark = pytest.mark.services

KEY = "generated-key"
STATEFUL = "Stateful tests"
"""What schemathesis calls requests that it makes of the answers to others, whose operations it does not name."""
FLAGS = ("--seed=1", "--generation-database=none", "--continue-on-failure")
RUNS = {"open": ("", ("--max-examples=12",)), "guarded": (KEY, ("--max-examples=2", "--phases=fuzzing"))}
"""Of each run, the API key and how much is generated."""


class Report(NamedTuple):
    """What schemathesis found."""

    output: str
    status: int
    events: list[dict[str, Any]]


@pytest.fixture(scope="module", params=["open", "guarded"])
def report(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A run with all checks against a server of its own, without API keys, and a shorter one with them."""
    key, extent = RUNS[request.param]
    folder = tmp_path_factory.mktemp("schemathesis")
    events = folder / "events.ndjson"
    keys = {"FASHION_API_KEYS": key} if key else {}
    shown = [f"--header=X-API-Key: {key}"] if key else []
    with serve_app("uvicorn", "tests.served_app:app", FASHION_MAX_IMAGES_PER_REQUEST="4", **keys) as server:
        with server.connect() as client:
            while client.get("/api/v1/confusion-matrix", headers={"X-API-Key": key}).status_code == 503:
                time.sleep(0.2)  # until the test set is predicted
        flags = (*FLAGS, *extent, *shown, f"--report-ndjson-path={events}")
        done = run_schemathesis(folder, f"{server.url}/openapi.json", *flags)
    return Report(done.stdout, done.returncode, [json.loads(line) for line in events.read_text().splitlines()])


def run_schemathesis(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it in a folder of its own, where it leaves a cache."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    environment = os.environ | {"PYTHONPATH": path, "SCHEMATHESIS_HOOKS": "tests.rest.generated_pictures"}
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "-m", "schemathesis.cli", "run", *arguments],
        cwd=folder,  # it leaves a cache where it is started
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def list_cases(report: Report) -> Iterator[tuple[str, str]]:
    """The operation of each request, and whether it is valid by the schema: `positive` or `negative`."""
    for event in report.events:
        recorder = event.get("ScenarioFinished", {}).get("recorder", {})
        for case in recorder.get("cases", {}).values():
            if recorder["label"] != STATEFUL:
                yield recorder["label"], case["value"]["meta"]["generation"]["mode"]


def test_every_answer_is_as_the_description_says(report: Report) -> None:
    """No 5xx, no undocumented status, media type or form; what is valid by the schema is taken, the rest refused."""
    assert report.status == 0, report.output


def test_every_operation_is_asked(report: Report) -> None:
    """No operation is left out, with keys or without."""
    assert {operation for operation, _ in list_cases(report)} == set(STATUSES)


@pytest.mark.parametrize("report", ["open"], indirect=True)
def test_every_operation_is_sent_valid_and_invalid_requests(report: Report) -> None:
    """None has only good callers."""
    expected = {(operation, mode) for operation in STATUSES for mode in ("positive", "negative")}
    assert set(list_cases(report)) == expected
