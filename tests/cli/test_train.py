"""`fashion-api train`, and what its model goes through afterwards."""

import json
from pathlib import Path

import pytest

from fashion_api.cli.main import run
from tests.idx import write_small_data_set


def test_recipes_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`train --list` describes the recipes, and reads no settings."""
    monkeypatch.setenv("FASHION_EPOCHS", "many")
    assert run(["train", "--list"]) == 0
    assert "tutorial: the original" in capsys.readouterr().out


@pytest.mark.tensorflow
def test_any_data_set_is_trained_on_evaluated_and_predicted_by_settings_alone(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two classes of 4×5 images go all the way, from their files to a prediction, by settings alone."""
    monkeypatch.setenv("FASHION_MODEL_PATH", str(tmp_path / "pets.h5"))
    write_small_data_set(own_data, size=40)
    assert run(["train", "--epochs", "1", "--validation-size", "10"]) == 0
    manifest = json.loads((tmp_path / "pets.json").read_text())
    assert manifest["training"]["command"] == "fashion-api train --epochs 1 --validation-size 10"
    assert run(["evaluate"]) == 0
    picture = tmp_path / "pet.png"
    assert run(["data", "show", "0", "--save", str(picture)]) == 0
    capsys.readouterr()
    assert run(["predict", "--json", str(picture)]) == 0
    assert set(json.loads(capsys.readouterr().out)["prediction"]["probabilities"]) == {"cat", "dog"}
