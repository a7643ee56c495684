"""`fashion-api compile`, and predicting with the model that was compiled."""

from pathlib import Path

import pytest

from fashion_api.cli.main import run
from fashion_api.data.dataset import DataSource
from fashion_api.pictures.encoding import encode_png
from fashion_api.settings import Settings

MODEL = Path(__file__).parents[2] / "models" / "fashion_mnist.h5"

pytestmark = pytest.mark.tensorflow


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
    assert (compiled.is_relative_to(cache), compiled.suffix) == (True, ".onnx")

    monkeypatch.delenv("FASHION_CACHE_DIR")  # the data set is in the usual places
    boot.write_bytes(encode_png(DataSource.from_settings(Settings(_env_file=None)).load("test").images[0]))
    built = compiled.stat().st_mtime_ns
    assert run(["compile", "--model-path", str(MODEL), "--cache-dir", str(cache)]) == 0
    assert capsys.readouterr() == (output.out, "the model was compiled before\n")
    assert run(["predict", "--model-path", str(MODEL), "--cache-dir", str(cache), str(boot)]) == 0
    assert capsys.readouterr().out.startswith(f"{boot}: Ankle boot (")
    assert compiled.stat().st_mtime_ns == built
