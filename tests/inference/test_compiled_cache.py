"""The compiled form of a model: built once, compared with Keras, cached."""

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.compiler import compare, compile_cached, compiled_path, make_comparison_images
from fashion_api.inference.loading import compile_model, load_model
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.inference.model_file import ModelFile, read_model_file
from fashion_api.settings import Settings
from tests.fakes import FAKE_CALIBRATION, FakeClassifier
from tests.inference.small_model import LABELS, save_model

FILE = ModelFile(
    Path("model.h5"), b"", "a" * 64, LABELS, InputSpec(height=4, width=5, pixel_range=(0.0, 1.0)), manifest=None
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model, and beside it the cache that these tests share."""
    path = tmp_path_factory.mktemp("model") / "model.h5"
    save_model(path)
    return path


@pytest.fixture
def settings(model: Path) -> Settings:
    """Settings that name the model and its cache."""
    return Settings(
        _env_file=None,
        model_path=model,
        cache_dir=model.parent,
        image_height=4,
        image_width=5,
        class_names=LABELS,
    )


@pytest.fixture
def compiled(settings: Settings) -> Path:
    """The compiled form of the model."""
    return compile_model(settings)


def count_builds(caplog: pytest.LogCaptureFixture) -> int:
    """How often a model was compiled."""
    return sum("compiling" in record.getMessage() for record in caplog.records)


@pytest.mark.tensorflow
def test_compiled_form_is_built_once(settings: Settings, compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The command and the service take a compiled form from the cache."""
    caplog.set_level(logging.INFO)
    before = compiled.read_bytes()
    assert compile_model(settings) == compiled
    load_model(settings)
    assert (count_builds(caplog), compiled.read_bytes()) == (0, before)


@pytest.mark.tensorflow
def test_processes_that_start_at_once_build_it_once(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """If several need it at the same time, one builds it and the others wait."""
    caplog.set_level(logging.INFO)
    file = read_model_file(settings)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(compile_cached(file, tmp_path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count_builds(caplog), len(results), len(set(results))) == (1, 3, 1)


@pytest.mark.parametrize(
    "other",
    [
        replace(FILE, sha256="b" * 64),
        replace(FILE, input=FILE.input.model_copy(update={"pixel_range": (-1.0, 1.0)})),
        replace(
            FILE,
            manifest=Manifest(
                name="m",
                sha256="a" * 64,
                labels=LABELS,
                input=FILE.input,
                calibration=FAKE_CALIBRATION.model_copy(update={"temperature": 2.0}),
            ),
        ),
    ],
    ids=["model", "scaling", "temperature"],
)
def test_other_model_scaling_or_temperature_has_its_own_form(tmp_path: Path, other: ModelFile) -> None:
    """The path of a compiled form depends on all that it is built from."""
    assert compiled_path(other, tmp_path) != compiled_path(FILE, tmp_path)


@pytest.mark.tensorflow
def test_damaged_form_is_rebuilt(settings: Settings, compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged file in the cache is replaced, and the model is served."""
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[:100])
    load_model(settings)
    assert "is damaged" in caplog.text
    assert len(compiled.read_bytes()) == len(whole)


@pytest.mark.tensorflow
def test_without_tensorflow_a_cached_form_is_served(
    settings: Settings, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose model is compiled needs no TensorFlow."""
    assert compiled.exists()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert load_model(settings).engine == "onnx"


@pytest.mark.tensorflow
def test_without_tensorflow_and_a_cached_form_the_error_says_what_to_do(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If it can be neither found nor built, the error says what to do."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"fashion-api compile.*pip install 'fashion-api\[train\]'"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path}))


@pytest.mark.tensorflow
def test_keras_engine_without_tensorflow_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TensorFlow, the Keras engine says what to install."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"pip install 'fashion-api\[train\]'"):
        load_model(settings.model_copy(update={"engine": "keras"}))


@pytest.mark.tensorflow
def test_refusal_of_the_child_process_is_passed_on(settings: Settings, tmp_path: Path) -> None:
    """An error of the child process is raised with the same message."""
    with pytest.raises(ModelError, match=r"^the model takes images of 4×5 pixels, but 6×5 are set"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path, "image_height": 6}))
    assert list(tmp_path.rglob("*.onnx")) == []


@pytest.mark.tensorflow
def test_cache_that_cannot_be_written_is_an_error(settings: Settings, tmp_path: Path) -> None:
    """A cache folder that cannot be created is an error that names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="FASHION_CACHE_DIR"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path / "file"}))


class ShiftedClassifier(FakeClassifier):
    """Differs slightly from the fake classifier."""

    def __init__(self, difference: float) -> None:
        self._difference = np.float32(difference)

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities + self._difference)


class MirroredClassifier(FakeClassifier):
    """Gives other classes, all nearly equally probable."""

    def classify(self, images: Images) -> Predictions:
        probabilities = super().classify(images).probabilities * np.float32(1e-6)
        return Predictions(probabilities[:, ::-1])


class FlatClassifier(FakeClassifier):
    """Gives all classes nearly equal probabilities."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities * np.float32(1e-6))


IMAGES = make_comparison_images(InputSpec(height=28, width=28))


def test_rounding_is_no_difference() -> None:
    """A difference of 1e-6 in a probability is accepted."""
    compare(ShiftedClassifier(1e-6), FakeClassifier(), IMAGES)


@pytest.mark.parametrize("difference", [3e-5, float("nan")], ids=["3e-5", "NaN"])
def test_difference_in_a_probability_refuses_the_form(difference: float) -> None:
    """A difference of more than 1e-5, or NaN, refuses the compiled form."""
    with pytest.raises(ModelError, match="differs from Keras"):
        compare(ShiftedClassifier(difference), FakeClassifier(), IMAGES)


def test_difference_in_a_class_refuses_the_form() -> None:
    """A different class refuses the compiled form, however near the probabilities are."""
    with pytest.raises(ModelError, match="different classes"):
        compare(MirroredClassifier(), FlatClassifier(), IMAGES)


@pytest.mark.tensorflow
def test_serving_never_imports_tensorflow(settings: Settings, compiled: Path) -> None:
    """A process that serves a compiled model imports neither TensorFlow nor Keras."""
    assert compiled.exists()
    code = f"""
import sys
from pathlib import Path
from fashion_api.inference.loading import load_model
from fashion_api.rest.app import create_app
from fashion_api.settings import Settings
load_model(Settings.model_validate_json({settings.model_dump_json()!r}))
create_app(Settings())
import os
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
print([name for name in ("tensorflow", "keras", "h5py", "onnx", "matplotlib") if name in sys.modules])
"""
    result = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert result.stdout == "[]\n"
