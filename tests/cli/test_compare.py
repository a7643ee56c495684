"""`fashion-api compare`, with models whose compiled forms lie beside them."""

import json
from pathlib import Path

import numpy as np
import pytest

from fashion_api.cli.main import run
from fashion_api.inference.compiled_cache import write_shipped
from fashion_api.inference.model_file import read_model_file
from fashion_api.settings import Settings
from tests.idx import write_split
from tests.inference.hostile_models import make_h5
from tests.inference.onnx_files import make_classifier_onnx

LABELS = ("a", "b", "c")


@pytest.fixture(autouse=True)
def _models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images whose first three pixels say their class; `right.h5` reads them, `wrong.h5` takes c for b."""
    monkeypatch.setenv("FASHION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FASHION_IMAGE_HEIGHT", "4")
    monkeypatch.setenv("FASHION_IMAGE_WIDTH", "5")
    monkeypatch.setenv("FASHION_CLASS_NAMES", ",".join(LABELS))
    labels = (np.arange(30) % 3).astype(np.uint8)
    images = np.zeros((30, 4, 5), np.uint8)
    images[np.arange(30), 0, labels] = 255
    write_split(tmp_path / "data", "test", images, labels)
    for name, columns in (("right", [0, 1, 2]), ("wrong", [0, 1, 1])):
        kernel = np.zeros((20, 3), np.float32)
        kernel[range(3), columns] = 0.1
        path = tmp_path / f"{name}.h5"
        path.write_bytes(make_h5() + name.encode())
        file = read_model_file(Settings(_env_file=None, model_path=path))
        write_shipped(file, make_classifier_onnx(kernel=kernel), path.with_suffix(".onnx"))


def test_worse_model_has_a_status_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Where the new model is worse by more than the tolerance, the status is 3, and a line says by how much."""
    assert run(["compare", "right.h5", "wrong.h5"]) == 3
    printed = capsys.readouterr().out
    assert "worse: the accuracy is lower by 33.33 percentage points, and 0.50 are tolerated" in printed
    rows = [line.split() for line in printed.splitlines()]
    assert ["Accuracy", "100.00%", "66.67%"] in rows
    assert [row for row in rows if row[:1] in (["c"], ["b"], ["all"])] == [
        ["b", "10", "0", "0", "0"],
        ["c", "10", "10", "0", "10"],
        ["all", "classes", "30", "10", "0", "10"],
    ]


@pytest.mark.parametrize(
    ("arguments", "change"),
    [
        (["right.h5", "wrong.h5", "--tolerance", "0.4"], "lower by 33.33 percentage points"),
        (["wrong.h5", "right.h5"], "higher by 33.33 percentage points"),
        (["wrong.h5", "wrong.h5", "--tolerance", "0"], "the same"),
    ],
    ids=["within the tolerance", "better", "the same"],
)
def test_model_that_is_not_worse_is_a_success(
    arguments: list[str], change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is better, the same, or worse within the tolerance may take the other's place."""
    assert run(["compare", *arguments]) == 0
    assert f"not worse: the accuracy is {change}" in capsys.readouterr().out


def test_programs_get_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, all of it is one object, and the status is the same."""
    assert run(["compare", "right.h5", "wrong.h5", "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert (found["worse"], found["tolerance"], found["old"]["name"]) == (True, 0.005, "right")
    assert found["classes"]["c"] == {"images": 10, "differing": 10, "corrected": 0, "spoilt": 10}
    assert found["new"]["accepted"] is None


def test_missing_model_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is not there is an error that names it."""
    assert run(["compare", "right.h5", "none.h5"]) == 1
    assert "there is no model none.h5" in capsys.readouterr().err
