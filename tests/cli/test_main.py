"""The command line: what it prints, and its exit status."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fashion_api.cli.main import run
from fashion_api.errors import DataNotFoundError
from tests import picture_files as pictures
from tests.idx import write_small_data_set

MODEL = Path(__file__).parents[2] / "models" / "fashion_mnist.h5"


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Put the root logger back as pytest had set it up."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    logging.captureWarnings(capture=False)


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set of two classes, configured as an operator would; the working directory is elsewhere."""
    write_small_data_set(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FASHION_CLASS_NAMES", "cat,dog")
    monkeypatch.setenv("FASHION_IMAGE_HEIGHT", "4")
    monkeypatch.setenv("FASHION_IMAGE_WIDTH", "5")
    return tmp_path / "data"


@pytest.mark.usefixtures("own_data")
def test_show_draws_the_image_with_its_class(capsys: pytest.CaptureFixture[str]) -> None:
    """`data show` draws an image in the terminal and names what it shows."""
    assert run(["data", "show", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), lines[-1]) == (5, "test image 3: dog")


@pytest.mark.usefixtures("own_data")
def test_show_saves_the_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --save, the image is written as a PNG."""
    path = tmp_path / "x.png"
    assert run(["data", "show", "2", "--split", "train", "--save", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")
    assert "train image 2, cat" in capsys.readouterr().out


@pytest.mark.usefixtures("own_data")
def test_verify_tells_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """`data verify` tells each split's size and place."""
    assert run(["data", "verify"]) == 0
    assert "test: 6 images of 4×5" in capsys.readouterr().out


def test_error_is_one_line_and_status_1(own_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error is one clear line on standard error, and the exit status is 1."""
    (own_data / "t10k-images-idx3-ubyte.gz").unlink()
    assert run(["data", "show", "0"]) == 1
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("fashion-api: ")]
    assert len(error) == 1
    assert "no test images" in error[0]


def test_debug_shows_the_traceback(own_data: Path) -> None:
    """With --debug, the error comes with its traceback."""
    (own_data / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(DataNotFoundError):
        run(["--debug", "data", "show", "0"])


@pytest.mark.usefixtures("own_data")
@pytest.mark.parametrize("index", ["-1", "6"])
def test_index_that_no_image_has(index: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An index out of range is an error that names the range."""
    assert run(["data", "show", "--", index]) == 1
    assert "0 to 5" in capsys.readouterr().err


def test_unknown_setting_stops_every_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown FASHION_ name is an error that names it."""
    monkeypatch.setenv("FASHION_PROT", "1")
    assert run(["serve"]) == 1
    assert "FASHION_PROT" in capsys.readouterr().err


def test_bad_value_of_a_flag_names_the_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """A flag's value is checked as the setting that it is."""
    assert run(["serve", "--port", "http"]) == 1
    assert "FASHION_PORT" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["nonsense"], ["data", "show", "x"], ["predict"]])
def test_wrong_call_is_status_2(argv: list[str]) -> None:
    """A call that cannot be understood ends with status 2, as is usual."""
    with pytest.raises(SystemExit, match="2"):
        run(argv)


@pytest.mark.parametrize("argv", [["--help"], ["--version"], ["train", "--help"], ["data", "show", "--help"]])
def test_help_and_version_are_success(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Help and version are printed, with status 0."""
    with pytest.raises(SystemExit, match="0"):
        run(argv)
    assert "fashion-api" in capsys.readouterr().out


def test_predict_names_what_a_file_shows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`predict` classifies each file with the committed model; a file that is no picture fails alone."""
    boot, text = tmp_path / "boot.png", tmp_path / "text.png"
    assert run(["data", "show", "0", "--save", str(boot)]) == 0
    text.write_bytes(pictures.TEXT_FILE)
    capsys.readouterr()
    assert run(["predict", "--model-path", str(MODEL), str(text), str(tmp_path / "none.png"), str(boot)]) == 1
    output = capsys.readouterr()
    assert output.out.startswith(f"{boot}: Ankle boot (")
    errors = [line for line in output.err.splitlines() if line.startswith("fashion-api: ")]
    assert [line.split(": ")[1] for line in errors] == [str(text), str(tmp_path / "none.png")]


def test_recipes_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`train --list` names the recipes, the original one among them."""
    assert run(["train", "--list"]) == 0
    assert "tutorial" in capsys.readouterr().out


def test_compile_tells_where_the_compiled_form_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`compile` puts the compiled form of a model into the cache, for a service that has no TensorFlow."""
    assert run(["compile", "--model-path", str(MODEL), "--cache-dir", str(tmp_path)]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert (path.is_relative_to(tmp_path), path.suffix) == (True, ".onnx")


def test_predict_writes_json_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, `predict` prints one object a file."""
    boot = tmp_path / "boot.png"
    assert run(["data", "show", "0", "--save", str(boot)]) == 0
    capsys.readouterr()
    assert run(["predict", "--json", "--model-path", str(MODEL), str(boot)]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["prediction"]["label"]) == (str(boot), "Ankle boot")


@pytest.mark.usefixtures("own_data")
def test_any_data_set_is_trained_evaluated_and_served_by_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two classes of 4×5 images go all the way, from their files to a prediction, by settings alone."""
    monkeypatch.setenv("FASHION_MODEL_PATH", str(tmp_path / "pets.h5"))
    monkeypatch.setenv("FASHION_CACHE_DIR", str(tmp_path / "cache"))
    write_small_data_set(tmp_path / "data", size=40)
    assert run(["train", "--epochs", "1", "--validation-size", "10"]) == 0
    assert run(["evaluate"]) == 0
    picture = tmp_path / "pet.png"
    assert run(["data", "show", "0", "--save", str(picture)]) == 0
    capsys.readouterr()
    assert run(["predict", "--json", str(picture)]) == 0
    assert set(json.loads(capsys.readouterr().out)["prediction"]["probabilities"]) == {"cat", "dog"}
