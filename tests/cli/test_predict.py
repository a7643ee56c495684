"""`fashion-api predict`."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from fashion_api.cli.main import run
from fashion_api.cli.predict import predict_files
from fashion_api.pictures.encoding import encode_png
from tests import picture_files as pictures
from tests.fakes import NovelClassifier, fake_model


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A picture in which the fake classifier sees a bag."""
    image = np.zeros((28, 28), np.uint8)
    image[0, 0] = 8
    path = tmp_path / "bag.png"
    path.write_bytes(encode_png(image))
    return path


def test_label_and_probability_are_printed(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file gets a line with the label and its probability."""
    assert predict_files(fake_model(), [bag, bag]) == 0
    assert capsys.readouterr().out == f"{bag}: Bag (91.0%)\n" * 2


def test_json_is_printed_for_programs(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, each file gets one object on one line."""
    assert predict_files(fake_model(), [bag], is_json=True) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["prediction"]["label"]) == (str(bag), "Bag")


def test_reason_of_a_prediction_that_is_not_accepted_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a prediction is not accepted, its line ends with the reason."""
    path = tmp_path / "bright.png"
    path.write_bytes(encode_png(np.full((28, 28), 255, np.uint8)))
    assert predict_files(fake_model(NovelClassifier()), [path]) == 0
    assert "; not accepted: " in capsys.readouterr().out


def test_file_that_cannot_be_classified_fails_alone(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is missing or not a picture is reported, the others are classified, and the status is 1."""
    text, missing = tmp_path / "text.png", tmp_path / "missing.png"
    text.write_bytes(pictures.TEXT_FILE)
    assert predict_files(fake_model(), [text, missing, bag]) == 1
    output = capsys.readouterr()
    assert output.out == f"{bag}: Bag (91.0%)\n"
    assert [line.split(": ")[:2] for line in output.err.splitlines()] == [
        ["fashion-api", str(text)],
        ["fashion-api", str(missing)],
    ]


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no device without an end")
def test_file_without_an_end_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a file without an end, no more is read than a picture may have."""
    assert predict_files(fake_model(), [Path("/dev/zero")]) == 1
    assert re.fullmatch(r"fashion-api: /dev/zero: the file has more than \d+ bytes\n", capsys.readouterr().err)


def test_missing_model_is_an_error(bag: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is not there is an error that names it."""
    assert run(["predict", "--model-path", "none.h5", str(bag)]) == 1
    assert "none.h5" in capsys.readouterr().err
