"""`fashion-api compile`, and predicting with the model that was compiled."""

from pathlib import Path

import pytest

from fashion_api.cli.main import run
from fashion_api.data.dataset import DataSource
from fashion_api.pictures.encoding import encode_png
from fashion_api.settings import Settings

MODEL = Path(__file__).parents[2] / "models" / "fashion_mnist.h5"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["new.h5", "--model-path", "old.h5"], "--model-path: the model is named twice"),
        (["new.h5", "--output", "new.h5"], "--output: new.h5 must end in .onnx"),
    ],
    ids=["two models", "another name"],
)
def test_wrong_call_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that is named twice, or an output that is no compiled form's name, is a wrong call."""
    assert run(["compile", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.tensorflow
def test_compiled_model_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`compile` says what it does, and prints the path of the compiled form, from which `predict` classifies."""
    cache, boot = tmp_path / "cache", tmp_path / "boot.png"
    assert run(["compile", "--model-path", str(MODEL), "--cache-dir", str(cache)]) == 0
    output = capsys.readouterr()
    assert [word in output.err for word in ("compiling the model", "exporting", "comparing", "compiled in")] == [
        True
    ] * 4
    compiled = Path(output.out.strip())
    shipped = tmp_path / "shipped.onnx"
    assert run(["compile", str(MODEL), "--cache-dir", str(cache), "--output", str(shipped)]) == 0
    assert capsys.readouterr().out == f"{shipped}\n"
    assert shipped.read_bytes() == compiled.read_bytes()
    assert (compiled.is_relative_to(cache), compiled.suffix) == (True, ".onnx")

    monkeypatch.delenv("FASHION_CACHE_DIR")  # the data set is in the usual places
    boot.write_bytes(encode_png(DataSource.from_settings(Settings(_env_file=None)).load("test").images[0]))
    built = compiled.stat().st_mtime_ns
    assert run(["compile", "--model-path", str(MODEL), "--cache-dir", str(cache)]) == 0
    assert capsys.readouterr() == (output.out, "the model was compiled before\n")
    assert run(["predict", "--model-path", str(MODEL), "--cache-dir", str(cache), str(boot)]) == 0
    assert capsys.readouterr().out.startswith(f"{boot}: Ankle boot (")
    assert compiled.stat().st_mtime_ns == built
