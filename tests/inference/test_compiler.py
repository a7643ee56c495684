"""The compiled form of a model: built once, compared with Keras, cached."""

import logging
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.compiler import compare, compile_cached, compiled_path, make_comparison_images
from fashion_api.inference.loading import compile_model, load_model
from fashion_api.inference.manifest import InputSpec
from fashion_api.settings import Settings
from tests.fakes import FakeClassifier
from tests.inference.test_loading import LABELS, save_model

SPEC = InputSpec(height=4, width=5, pixel_range=(0.0, 1.0))


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


def test_compiled_form_is_built_once(settings: Settings, compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is in the cache is taken from there, by the command and by the service."""
    caplog.set_level(logging.INFO)
    before = compiled.read_bytes()
    assert compile_model(settings) == compiled
    load_model(settings)
    assert (count_builds(caplog), compiled.read_bytes()) == (0, before)


def test_processes_that_start_at_once_build_it_once(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of several that need it at once, one builds and the others wait for it."""
    caplog.set_level(logging.INFO)
    content = model.read_bytes()
    path = compiled_path(tmp_path, sha256_hex(content), SPEC)
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(compile_cached(content, path, SPEC))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (count_builds(caplog), len(results), len(set(results))) == (1, 3, 1)


def test_other_model_or_scaling_has_its_own_form(tmp_path: Path) -> None:
    """What a form is built from decides its place, so that none is taken for another's."""
    other_range = SPEC.model_copy(update={"pixel_range": (-1.0, 1.0)})
    places = {compiled_path(tmp_path, "a" * 64, SPEC), compiled_path(tmp_path, "b" * 64, SPEC)}
    assert len(places | {compiled_path(tmp_path, "a" * 64, other_range)}) == 3


def test_damaged_form_is_built_anew(settings: Settings, compiled: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file in the cache that cannot be loaded is replaced, and the service starts."""
    whole = compiled.read_bytes()
    compiled.write_bytes(whole[:100])
    load_model(settings)
    assert "is damaged" in caplog.text
    assert len(compiled.read_bytes()) == len(whole)


def test_without_tensorflow_a_cached_form_is_served(
    settings: Settings, compiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service whose model was compiled beforehand needs no TensorFlow."""
    assert compiled.exists()
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert load_model(settings).engine == "onnx"


def test_without_tensorflow_and_a_cached_form_both_ways_out_are_told(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it can be neither found nor built, the error tells both ways out."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"fashion-api compile.*pip install 'fashion-api\[train\]'"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path}))


def test_keras_engine_without_tensorflow_says_what_to_install(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine that needs TensorFlow says so where there is none."""
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ModelError, match=r"pip install 'fashion-api\[train\]'"):
        load_model(settings.model_copy(update={"engine": "keras"}))


def test_refusal_of_the_child_process_is_passed_on(settings: Settings, tmp_path: Path) -> None:
    """What is wrong with a model is told in the same words, though another process has found it."""
    with pytest.raises(ModelError, match=r"^the model takes images of 4×5 pixels, but 6×5 are set"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path, "image_height": 6}))
    assert list(tmp_path.rglob("*.onnx")) == []


def test_cache_that_cannot_be_written_is_told(settings: Settings, tmp_path: Path) -> None:
    """A cache folder that cannot be made is told with the setting that changes it."""
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="FASHION_CACHE_DIR"):
        load_model(settings.model_copy(update={"cache_dir": tmp_path / "file"}))


class ShiftedClassifier(FakeClassifier):
    """Differs by a little from the fake classifier."""

    def __init__(self, difference: float) -> None:
        self._difference = np.float32(difference)

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities + self._difference)


class MirroredClassifier(FakeClassifier):
    """Sees other classes, all nearly equally probable."""

    def classify(self, images: Images) -> Predictions:
        probabilities = super().classify(images).probabilities * np.float32(1e-6)
        return Predictions(probabilities[:, ::-1])


class FlatClassifier(FakeClassifier):
    """Sees all classes as nearly equally probable."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities * np.float32(1e-6))


IMAGES = make_comparison_images(InputSpec(height=28, width=28))


def test_rounding_is_no_difference() -> None:
    """A difference of 1e-6 in a probability is accepted."""
    compare(ShiftedClassifier(1e-6), FakeClassifier(), IMAGES)


@pytest.mark.parametrize("difference", [3e-5, float("nan")], ids=["3e-5", "NaN"])
def test_difference_in_a_probability_refuses_the_form(difference: float) -> None:
    """A difference of more than 1e-5, or none that can be told, refuses the compiled form."""
    with pytest.raises(ModelError, match="differs from Keras"):
        compare(ShiftedClassifier(difference), FakeClassifier(), IMAGES)


def test_difference_in_a_class_refuses_the_form() -> None:
    """However near the probabilities are, another class refuses the compiled form."""
    with pytest.raises(ModelError, match="different classes"):
        compare(MirroredClassifier(), FlatClassifier(), IMAGES)


def test_serving_never_imports_tensorflow(settings: Settings, compiled: Path) -> None:
    """A process that serves a compiled model has neither TensorFlow nor Keras in it."""
    assert compiled.exists()
    code = f"""
import sys
from pathlib import Path
from fashion_api.server import processes as server
from fashion_api.inference.loading import load_model
from fashion_api.settings import Settings
load_model(Settings.model_validate_json({settings.model_dump_json()!r}))
server.make_app(Settings())
import os
assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
print([name for name in ("tensorflow", "keras", "h5py", "onnx", "matplotlib") if name in sys.modules])
"""
    result = subprocess.run(  # noqa: S603  # our own code
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert result.stdout == "[]\n"
