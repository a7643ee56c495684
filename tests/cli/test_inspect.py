"""`fashion-api inspect`."""

import json
from pathlib import Path
from typing import Any

import pytest

from fashion_api.cli.main import run
from fashion_api.inference.manifest import read_manifest
from tests.inference.hostile_models import make_config, make_h5


def make_model(activation: str = "softmax") -> bytes:
    """A model of images of 4×5 that scales pixels and has three outputs."""
    scale = {"name": "scale", "scale": 1 / 255, "offset": 0.0}
    config: dict[str, Any] = make_config({"class_name": "Rescaling", "config": scale})
    config["config"]["layers"][-1]["config"]["activation"] = activation
    return make_h5(config=config)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["new.h5", "--model-path", "old.h5"], 2, "--model-path: the model is named twice"),
        (["none.h5"], 1, "there is no model none.h5"),
    ],
    ids=["two models", "none"],
)
def test_wrong_call_is_refused(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model that is named twice is a wrong call; one that is not there an error."""
    assert run(["inspect", *arguments]) == status
    assert message in capsys.readouterr().err


@pytest.mark.tensorflow
def test_model_is_described_and_its_manifest_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is found is printed on a screen, and the manifest written has it; it is not overwritten."""
    (tmp_path / "mine.h5").write_bytes(make_model("linear"))
    assert run(["inspect", "mine.h5", "--write-manifest"]) == 0
    output = capsys.readouterr()
    lines = output.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 24
    rows = {line[:14].strip(): line[14:] for line in lines if line[:14].strip()}
    assert rows["written by"] == "Keras 2.15.0"
    assert rows["network"] == "(None, 4, 5, 1) → (None, 3), 3 layers, 63 weights"
    assert rows["cost"] == "60 multiplications an image"
    assert rows["images"] == "4×5 pixels, grey"
    assert rows["pixels"] == "scaled to 0…255, as its layer 'scale' scales them"
    assert rows["outputs"] == "3 logits, as its last layer is linear"
    assert rows["labels"] == "class 0, class 1, class 2"
    assert rows["served"] == "on the onnx engine"
    assert "--write-manifest" in output.out
    assert output.err.endswith("written: mine.json; put the class names into its labels, in the order of the outputs\n")
    manifest = read_manifest(tmp_path / "mine.h5")
    assert manifest is not None
    assert (manifest.output, manifest.input.pixel_range, manifest.labels[0]) == ("logits", (0, 255), "class 0")

    before = (tmp_path / "mine.json").read_bytes()
    assert run(["inspect", "mine.h5", "--write-manifest"]) == 1
    assert "mine.json is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.json").read_bytes() == before


@pytest.mark.tensorflow
def test_model_that_is_not_served_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is refused is described all the same, with the reason; programs get one JSON object."""
    (tmp_path / "mine.h5").write_bytes(make_model("sigmoid"))
    assert run(["inspect", "--json", "mine.h5"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["serves"], found["engine"], found["signature"], found["parameters"]) == (False, None, None, 63)
    assert "each of its 3 outputs is a sigmoid of its own" in found["refusal"]
