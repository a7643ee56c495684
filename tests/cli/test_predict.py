"""`fashion-api predict`."""

import dataclasses
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from fashion_api.cli.answers import Answer, JsonWriter, TableWriter, Writer
from fashion_api.cli.main import run
from fashion_api.cli.predict import predict_files
from fashion_api.pictures.encoding import encode_png
from tests import picture_files as pictures
from tests.fakes import NovelClassifier, fake_colour_model, fake_model


def make_bag(class_id: int = 8, *, novelty: int = 0) -> bytes:
    """A picture in which the fake classifier sees this class, 8 for a bag, with a novelty in twentieths."""
    image = np.zeros((28, 28), np.uint8)
    image[0, 0], image[-1, -1] = class_id, novelty
    return encode_png(image)


@pytest.fixture
def bag(tmp_path: Path) -> str:
    """A picture file in which the fake classifier sees a bag."""
    path = tmp_path / "bag.png"
    path.write_bytes(make_bag())
    return str(path)


def test_label_and_probability_are_printed(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each file gets a line with the label and its probability."""
    assert predict_files(fake_model(), [bag, bag], Writer()) == 0
    assert capsys.readouterr().out == f"{bag}: Bag (91.0%)\n" * 2


def test_answers_are_in_order_over_several_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files are answered in the order of their names, however many there are."""
    for number in range(35):
        (tmp_path / f"{number:02}.png").write_bytes(make_bag(number % 10))
    assert predict_files(fake_model(), [str(tmp_path)], JsonWriter()) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["prediction"]["class_id"] for answer in answers] == [number % 10 for number in range(35)]
    assert [Path(answer["file"]).stem for answer in answers] == [f"{number:02}" for number in range(35)]


def test_most_probable_classes_are_named(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With --top, a line has the most probable classes, the first one first."""
    assert predict_files(fake_model(), [bag], Writer(top=2)) == 0
    assert capsys.readouterr().out == f"{bag}: Bag (91.0%), T-shirt/top (1.0%)\n"


@pytest.mark.parametrize(("coverage", "classes"), [("0.9", 1), ("0.99", 3)])
def test_prediction_set_has_the_coverage(
    coverage: str, classes: int, bag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --coverage, the classes are named that cannot be ruled out, in a line and in JSON."""
    model = fake_model(NovelClassifier())
    assert predict_files(model, [bag], Writer(coverage=coverage), coverage=coverage) == 0
    line = capsys.readouterr().out
    assert f"; set at {float(coverage):.0%}: Bag" in line
    assert line.rpartition(": ")[2].count(",") == classes - 1
    assert predict_files(model, [bag], JsonWriter(), coverage=coverage) == 0
    assert len(json.loads(capsys.readouterr().out)["prediction"]["prediction_set"]) == classes


def test_json_is_printed_for_programs(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, each file gets one object on one line, with two members."""
    assert predict_files(fake_model(), [bag], JsonWriter()) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (list(answer), answer["file"], answer["prediction"]["label"]) == (["file", "prediction"], bag, "Bag")


def test_reason_of_a_prediction_that_is_not_accepted_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a prediction is not accepted, its line ends with the reason."""
    path = tmp_path / "odd.png"
    path.write_bytes(make_bag(novelty=255))
    assert predict_files(fake_model(NovelClassifier()), [str(path)], Writer()) == 0
    printed = capsys.readouterr().out
    assert "; not accepted: the image is unlike" in printed
    assert re.search(r"its novelty is \d+\.\d\d, over 1", printed)


@pytest.mark.parametrize("is_shown", [False, True])
def test_table_has_every_answer(
    is_shown: bool,  # noqa: FBT001  # pytest passes it by name
    bag: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In a terminal of 80 columns, answers are a table, with the pictures in it if they are wanted."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(Path(bag).parent)
    writer = TableWriter(top=2, coverage="0.95", is_shown=is_shown)
    assert predict_files(fake_model(NovelClassifier()), ["bag.png"], writer, coverage="0.95") == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert all(part in printed for part in ("bag.png", "Bag (91.0%)", "Set at 95%", "yes"))
    assert (len(printed.splitlines()) > 14) is is_shown


@pytest.mark.parametrize("is_shown", [False, True])
def test_long_name_is_elided_in_the_table(
    is_shown: bool,  # noqa: FBT001  # pytest passes it by name
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A long name is one line, with its beginning and its end, and leaves room for the answer."""
    monkeypatch.setenv("COLUMNS", "80")
    path = tmp_path / f"{'long' * 20}" / "boot-of-1999.png"
    path.parent.mkdir()
    path.write_bytes(make_bag())
    writer = TableWriter(is_shown=is_shown)
    assert predict_files(fake_model(NovelClassifier()), [str(path)], writer) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "boot-of-1999.png" in line)
    assert "…" in line
    assert str(tmp_path)[:4] in line


def test_file_that_cannot_be_classified_fails_alone(
    bag: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is missing or no picture is reported, the others are classified, and the status is 1."""
    text, missing, empty = tmp_path / "text.png", tmp_path / "missing.png", tmp_path / "empty"
    text.write_bytes(pictures.TEXT_FILE)
    empty.mkdir()
    assert predict_files(fake_model(), [str(text), str(missing), bag, str(empty)], Writer()) == 1
    output = capsys.readouterr()
    assert output.out == f"{bag}: Bag (91.0%)\n"
    assert [line.split(": ")[:2] for line in output.err.splitlines()[:-1]] == [
        ["fashion-api", str(name)] for name in (text, missing, empty)
    ]
    assert output.err.splitlines()[-1] == "fashion-api: 3 of 4 files could not be classified"


@pytest.mark.parametrize("make_writer", [Writer, TableWriter], ids=["lines", "table"])
def test_controls_in_names_are_written_out(
    make_writer: type[Writer], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Names of files and classes that could steer the terminal, or look like another line, are written out."""
    monkeypatch.setenv("COLUMNS", "200")
    name = "a\x1b]0;b\x07\n\u202ec\x9b\udcff.png"
    Path(name).write_bytes(make_bag())
    model = dataclasses.replace(fake_model(NovelClassifier()), labels=tuple(f"{number}\x1b[2J" for number in range(10)))
    assert predict_files(model, [name, "none\x1b[2J"], make_writer(coverage="0.9"), coverage="0.9") == 1
    output = capsys.readouterr()
    escaped = r"a\x1b]0;b\x07\n\u202ec\x9b\udcff.png"
    assert escaped in output.out
    assert output.out.count(r"8\x1b[2J") == 2
    assert output.err.startswith(r"fashion-api: none\x1b[2J: No such file")
    assert (output.out + output.err).replace("\n", "").isprintable()


def test_names_that_no_file_can_have_fail_alone(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is too long is reported, and the others are classified."""
    assert predict_files(fake_model(), ["a" * 300, bag], Writer()) == 1
    output = capsys.readouterr()
    assert output.out == f"{bag}: Bag (91.0%)\n"
    assert "aaa: File name too long\n" in output.err


def test_preparation_is_offered_for_pictures_of_another_size_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture that does not fit is told of --prepare; a file that is not there, or no picture, is one line."""
    text = tmp_path / "text.md"
    text.write_bytes(pictures.TEXT_FILE)
    for name in (str(tmp_path / "none.png"), str(text)):
        assert predict_files(fake_model(), [name], Writer()) == 1
        assert len(capsys.readouterr().err.splitlines()) == 1
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (64, 48), "white").save(path)
    assert predict_files(fake_model(), [str(path)], Writer()) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("fashion-api: --prepare ")


def test_picture_of_another_size_is_prepared_where_that_is_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --prepare, a photograph is answered which is refused without."""
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (640, 480), "white").save(path)
    assert predict_files(fake_model(), [str(path)], Writer()) == 1
    assert predict_files(fake_model(), [str(path)], Writer(), is_prepared=True) == 0
    assert capsys.readouterr().out == f"{path}: T-shirt/top (91.0%)\n"


@pytest.mark.parametrize(("is_prepared", "route"), [(False, "stretch"), (True, "fit")])
def test_picture_of_another_size_is_resized_where_that_is_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, is_prepared: bool, route: str
) -> None:
    """With --resize, a picture of another size is resized in colour, others are taken as they are, and JSON says so."""
    sizes = {"small.png": (32, 32, 3), "large.png": (64, 96, 3)}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(encode_png(np.full(size, 7, np.uint8)))
    names = [str(tmp_path / name) for name in sizes]
    assert predict_files(fake_colour_model(), names, JsonWriter(), is_prepared=is_prepared, resize="stretch") == 0
    predictions = [json.loads(line)["prediction"] for line in capsys.readouterr().out.splitlines()]
    assert [prediction["route"] for prediction in predictions] == ["direct", route]
    assert is_prepared or [prediction["label"] for prediction in predictions] == ["horse"] * 2


def test_picture_in_colour_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --show, a picture for a model in colour is drawn, in shades where there are no colours."""
    path = tmp_path / "red.png"
    path.write_bytes(encode_png(np.full((32, 32, 3), (200, 10, 20), np.uint8)))
    assert predict_files(fake_colour_model(), [str(path)], Writer(is_shown=True)) == 0
    assert capsys.readouterr().out.splitlines()[:-1] == [":" * 32] * 16


@pytest.mark.parametrize("novelty", [0, 255], ids=["accepted", "refused"])
def test_cropping_is_offered_where_a_prepared_picture_is_refused(
    novelty: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After --prepare, a refusal ends with where the picture can be cropped."""
    path = tmp_path / "odd.png"
    path.write_bytes(make_bag(novelty=novelty))
    assert predict_files(fake_model(NovelClassifier()), [str(path)], JsonWriter(), is_prepared=True) == 0
    assert ("crop it closely on the page" in capsys.readouterr().err) is (novelty > 0)


def test_standard_input_is_a_picture(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The name - stands for the picture on standard input."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(make_bag())))
    assert predict_files(fake_model(), ["-"], Writer()) == 0
    assert capsys.readouterr().out == "-: Bag (91.0%)\n"


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="the system has no device without an end")
def test_file_without_an_end_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Of a file without an end, no more is read than a picture may have."""
    assert predict_files(fake_model(), ["/dev/zero"], Writer()) == 1
    assert re.fullmatch("fashion-api: /dev/zero: File too large\n", capsys.readouterr().err)


def test_missing_model_is_an_error(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is not there is an error that names it."""
    assert run(["predict", "--model-path", "none.h5", bag]) == 1
    assert "none.h5" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags", ["--json --show", "--coverage 0.5", "--top 0"], ids=["no picture in JSON", "coverage", "top"]
)
def test_flags_that_fit_nothing_are_a_wrong_call(flags: str, bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A flag's bad value, or two that exclude each other, are a wrong call, which is one line."""
    assert run(["predict", *flags.split(), bag]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


class _Interrupted(TableWriter):
    """A table whose reader presses Ctrl-C after the first answer."""

    def write(self, answer: Answer) -> None:
        super().write(answer)
        raise KeyboardInterrupt


def test_table_of_what_was_answered_is_printed_after_an_interrupt(bag: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C leaves the table of the files that were answered."""
    with pytest.raises(KeyboardInterrupt):
        predict_files(fake_model(), [bag], _Interrupted())
    assert "Bag (91.0%)" in capsys.readouterr().out
