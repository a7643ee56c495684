"""`fashion-api train`, and what its model goes through afterwards."""

import json
import re
import shlex
from pathlib import Path

import pytest

from fashion_api.cli.main import run
from fashion_api.settings import Settings, load_settings
from fashion_api.training.recipes import RECIPES
from tests.compiling import compile_here
from tests.eager import computing_eagerly
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
    write_small_data_set(own_data, size=40)
    assert run(["train", "--force", *QUICK, "--model-path", "pets.h5"]) == 0
    manifest = json.loads((tmp_path / "pets.json").read_text())
    assert manifest["training"]["command"] == f"fashion-api train {shlex.join(QUICK)} --model-path pets.h5"
    monkeypatch.setenv("FASHION_MODEL_PATH", "pets.h5")
    compile_here(load_settings(Settings))
    assert run(["evaluate"]) == 0
    picture = tmp_path / "pet.png"
    assert run(["data", "show", "0", "--save", str(picture)]) == 0
    capsys.readouterr()
    assert run(["predict", "--json", str(picture)]) == 0
    assert set(json.loads(capsys.readouterr().out)["prediction"]["probabilities"]) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--channels", "2"], "--channels: must be 1, for grey images, or 3, for images in colour"),
        (["--resize", "cut"], "--resize: must be 'refuse', 'fit', 'stretch' or 'crop'"),
    ],
    ids=["channels", "resize"],
)
def test_form_that_no_image_can_have_is_a_wrong_call(
    flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A number of channels, or a way of resizing, that there is not is refused by the name of its flag."""
    assert run(["train", *flags]) == 2
    assert said in capsys.readouterr().err


def test_help_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of --recipe names the recipes that there are."""
    assert run(["train", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    (described,) = re.findall(r"--recipe TEXT The recipe: (.*?);", text)
    assert re.split(", | or ", described) == list(RECIPES)


@pytest.mark.tensorflow
@pytest.mark.usefixtures("own_data")
def test_run_is_shown(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run begins with what it will do and ends with what came of it; each epoch is a line, and all fit 80 columns."""
    write_small_data_set(own_data, size=40)
    assert run(["train", "--recipe", "small", "--epochs", "2", "--validation-size", "10"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "written to   models/small.h5" in lines
    assert [line.split()[0] for line in lines if re.match(" +[0-9]/2 ", line)] == ["1/2", "2/2"]
    assert any(re.match("kept +epoch [12], the best", line) for line in lines)
    words = " ".join(" ".join(lines).split())
    assert f"score it fashion-api evaluate --model-path models/small.h5 --data-dir {own_data}" in words


@pytest.mark.tensorflow
def test_default_recipe_trains(own_data: Path, tmp_path: Path) -> None:
    """Without a recipe, and with data of one's own, a model that scores novelty is trained."""
    write_small_data_set(own_data, size=40)
    with computing_eagerly():
        assert run(["train", "--epochs", "1", "--validation-size", "10"]) == 0
    manifest = json.loads((tmp_path / "models" / "compact.json").read_text())
    assert manifest["calibration"]["novelty"]["threshold"] > 0


QUICK = ["--recipe", "small", "--epochs", "1", "--validation-size", "10"]
SERVED = {"served.h5": b"a served model", "served.json": b"its manifest", "served_learning_curves.png": b"its curves"}


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A folder with a model that is served."""
    for name, content in SERVED.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.mark.tensorflow
@pytest.mark.parametrize("place", ["environment", ".env"])
def test_setting_of_the_served_model_does_not_say_where_training_writes(
    place: str, own_data: Path, served: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With FASHION_MODEL_PATH set, in the environment or in .env, training writes under the recipe's name."""
    if place == ".env":
        (served / ".env").write_text("FASHION_MODEL_PATH=served.h5\n")
    else:
        monkeypatch.setenv("FASHION_MODEL_PATH", "served.h5")
    write_small_data_set(own_data, size=40)
    assert run(["train", *QUICK, "--model-path", ""]) == 0
    assert {name: (served / name).read_bytes() for name in SERVED} == SERVED
    assert (served / "models" / "small.h5").exists()


@pytest.mark.tensorflow
@pytest.mark.parametrize("flags", [[], ["--resume"], ["--recipe", "tutorial"]], ids=str)
@pytest.mark.usefixtures("own_data")
def test_model_that_is_there_is_not_overwritten(
    flags: list[str], served: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the flag names a model that is there, training ends with one line and status 1, and changes nothing."""
    assert run(["train", "--epochs", "1", "--model-path", "served.h5", *flags]) == 1
    error = capsys.readouterr().err
    assert "served.h5 is there already" in error or "no run to resume" in error
    assert {name: (served / name).read_bytes() for name in SERVED} == SERVED


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("flag", "value", "message"),
    [
        ("recipe", "large", f"there is no recipe 'large'; there are: {', '.join(RECIPES)}"),
        ("dropout_rates", "0.1", "the recipe 'small' has 3 dropout layers, but 1 rate(s) are set"),
        ("data_size", "1000", "there are 6 training images, not the 1000 that are set"),
        ("epochs", "many", "must be a whole number"),
    ],
)
@pytest.mark.usefixtures("own_data")
def test_bad_value_is_named_by_what_gave_it(
    flag: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad value of a flag is a wrong call that names the flag; of a variable, an error that names the variable."""
    name = f"--{flag.replace('_', '-')}"
    monkeypatch.setenv("FASHION_RECIPE", "small")
    assert run(["train", name, value]) == 2
    assert f"fashion-api: {name}: {message}" in capsys.readouterr().err
    monkeypatch.setenv(f"FASHION_{flag.upper()}", value)
    assert run(["train"]) == 1
    assert f"fashion-api: FASHION_{flag.upper()}: {message}" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_command_that_is_offered_for_a_missing_model_trains_it(
    own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the model is missing, the command in the message trains one that is then served."""
    write_small_data_set(own_data, size=40)
    monkeypatch.setenv("FASHION_MODEL_PATH", "my models/pets.h5")
    assert run(["compile"]) == 1
    command = re.search("`fashion-api (.*)`", capsys.readouterr().err)
    assert command is not None
    assert run([*shlex.split(command[1]), *QUICK]) == 0
    assert (tmp_path / "my models" / "pets.h5").exists()
    compile_here(load_settings(Settings))
    assert run(["compile"]) == 0
