"""Loading a model: which models are refused, and which are served."""

import ast
import io
import json
import os
import shlex
from pathlib import Path
from typing import Literal

import h5py
import numpy as np
import pytest

from fashion_api.errors import ModelError
from fashion_api.files import sha256_hex
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.keras_engine import import_tensorflow
from fashion_api.inference.loading import load_model, self_test
from fashion_api.inference.manifest import InputSpec
from fashion_api.settings import FASHION_MNIST_LABELS, Settings, load_settings
from tests.compiling import compile_here
from tests.fakes import CLASSES, FailingClassifier, FakeClassifier
from tests.inference.onnx_files import make_signature
from tests.inference.small_model import LABELS, save_manifest, save_model

import_tensorflow()

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the model."""
    return tmp_path / "model.h5"


@pytest.fixture
def of_path(path: Path) -> Settings:
    """Settings of that model, for images of 4×5 and three classes; on Keras, which needs no child process."""
    return Settings(
        _env_file=None,
        model_path=path,
        image_height=4,
        image_width=5,
        class_names=LABELS,
        cache_dir=path.parent / "cache",
        engine="keras",
    )


@pytest.fixture
def images() -> Images:
    """Two images of 4×5."""
    return np.random.default_rng(1).integers(0, 256, (2, 4, 5), dtype=np.uint8)


@pytest.mark.parametrize("engine", ["onnx", "keras"])
def test_model_answers_as_keras_does(path: Path, images: Images, engine: Literal["onnx", "keras"]) -> None:
    """On either engine, the classifier gives the Keras model's probabilities, for pixels scaled by the manifest."""
    model = save_model(path)
    manifest = save_manifest(path, input=InputSpec(height=4, width=5, pixel_range=(-1.0, 1.0)))
    settings = Settings(_env_file=None, model_path=path, cache_dir=path.parent, engine=engine)
    if engine == "onnx":
        compile_here(settings)
    loaded = load_model(settings)
    expected = model(images[..., None] / 127.5 - 1.0).numpy()
    np.testing.assert_allclose(loaded.classifier.classify(images).probabilities, expected, atol=1e-6)
    assert (loaded.name, loaded.labels, loaded.manifest, loaded.engine) == ("small", LABELS, manifest, engine)
    assert loaded.version == sha256_hex(path.read_bytes())[:12]


def test_model_without_a_manifest_follows_the_tutorial(
    path: Path, of_path: Settings, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a manifest, pixels are scaled to 0–1, the labels are the settings', and a warning names the other."""
    model = save_model(path)
    loaded = load_model(of_path)
    expected = model(images[..., None] / 255.0).numpy()
    np.testing.assert_allclose(loaded.classifier.classify(images).probabilities, expected, atol=1e-6)
    assert (loaded.name, loaded.labels, loaded.manifest) == ("model", LABELS, None)
    assert "set FASHION_PIXEL_RANGE" in caplog.text
    assert "labels" not in caplog.text


def test_range_of_the_setting_is_used(path: Path, of_path: Settings, images: Images) -> None:
    """FASHION_PIXEL_RANGE says what pixels a model without a manifest takes."""
    model = save_model(path)
    loaded = load_model(of_path.model_copy(update={"pixel_range": (-1.0, 1.0)}))
    expected = model(images[..., None] / 127.5 - 1).numpy()
    np.testing.assert_allclose(loaded.classifier.classify(images).probabilities, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "outputs", "labels"),
    [
        ((28, 28, 1), 10, FASHION_MNIST_LABELS),
        ((28, 28, 1), 3, ("class 0", "class 1", "class 2")),
        ((6, 7, 3), 10, tuple(f"class {i}" for i in range(10))),
    ],
    ids=["as Fashion-MNIST", "other classes", "other images"],
)
def test_model_of_which_nothing_is_said_is_served(
    path: Path, caplog: pytest.LogCaptureFixture, shape: tuple[int, ...], outputs: int, labels: tuple[str, ...]
) -> None:
    """With no manifest and no setting, the file gives size and colours; the labels are numbers, with a warning."""
    save_model(path, shape=shape, outputs=outputs)
    loaded = load_model(Settings(_env_file=None, model_path=path, cache_dir=path.parent, engine="keras"))
    assert (loaded.labels, (*loaded.input.size, loaded.input.channels)) == (labels, shape)
    assert "FASHION_CLASS_NAMES is not set" in caplog.text


def test_model_that_takes_no_channel_axis_is_served(path: Path, of_path: Settings, images: Images) -> None:
    """A model of (height, width), without a channel axis, is served."""
    save_model(path, shape=(4, 5))
    assert load_model(of_path).classifier.classify(images).probabilities.shape == (2, 3)


def test_two_classes_are_served(path: Path, of_path: Settings, images: Images) -> None:
    """A model of two classes is served."""
    save_model(path, outputs=2)
    loaded = load_model(of_path.model_copy(update={"class_names": ("yes", "no")}))
    assert loaded.classifier.classify(images).probabilities.shape == (2, 2)


def test_missing_model(path: Path, of_path: Settings) -> None:
    """A missing model is an error with the command that trains one in its place."""
    with pytest.raises(
        ModelError, match=rf"no model {path}: .*FASHION_MODEL_PATH.*`fashion-api train --model-path {path}`"
    ):
        load_model(of_path)


def test_missing_model_of_another_kind(path: Path, of_path: Settings) -> None:
    """Where training could not write a file of that name, it is not offered."""
    with pytest.raises(ModelError, match=r"no model .*FASHION_MODEL_PATH") as error:
        load_model(of_path.model_copy(update={"model_path": path.with_suffix(".keras")}))
    assert "fashion-api train" not in str(error.value)


@pytest.mark.parametrize("place", ["/dev/zero", "pipe"])
def test_model_that_is_no_regular_file(tmp_path: Path, of_path: Settings, place: str) -> None:
    """A device or a pipe in the place of a model is neither read without end nor waited for."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ModelError, match=rf"{place} cannot be read: Not a regular file"):
        load_model(of_path.model_copy(update={"model_path": tmp_path / place}))


def test_model_over_the_limit(path: Path, of_path: Settings) -> None:
    """A model of more bytes than FASHION_MAX_MODEL_BYTES is not read, and the message names the setting."""
    save_model(path)
    with pytest.raises(
        ModelError, match=r"model\.h5 cannot be read: More than 1024 bytes; raise FASHION_MAX_MODEL_BYTES"
    ):
        load_model(of_path.model_copy(update={"max_model_bytes": 1024}))


def test_folder_in_place_of_a_model(path: Path, of_path: Settings) -> None:
    """Of a folder in the place of a model, the message says that it is one."""
    path.mkdir()
    with pytest.raises(ModelError, match=r"model\.h5 is a folder, not a model's file: name the \.h5 or \.keras in it"):
        load_model(of_path)


def test_saved_model_in_place_of_a_model(path: Path, of_path: Settings) -> None:
    """Of a SavedModel the message has the command that makes a `.h5` of it, whatever its name has."""
    folder = path.with_name("it's")
    folder.mkdir()
    (folder / "saved_model.pb").touch()
    with pytest.raises(ModelError, match=r"is a SavedModel.* make a \.h5 of it") as refusal:
        load_model(of_path.model_copy(update={"model_path": folder}))
    *_, code = shlex.split(str(refusal.value).partition("wrote it: ")[2])
    assert f"load_model({json.dumps(str(folder))})" in code
    ast.parse(code)


@pytest.mark.parametrize("share", [0.5, 0.99], ids=["half", "nearly whole"])
def test_truncated_model(path: Path, of_path: Settings, share: float) -> None:
    """A truncated file is refused as such."""
    save_model(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ModelError, match=rf"{path}: it is damaged or cut short"):
        load_model(of_path)


@pytest.mark.parametrize("content", [b"", b"\x08\x07\x12\x07pytorch"], ids=["empty", "another format"])
def test_model_of_no_format_of_keras(path: Path, of_path: Settings, content: bytes) -> None:
    """A file that is neither HDF5 nor a zip is refused as such."""
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"neither an HDF5 file, as a Keras \.h5 is, nor a zip, as a \.keras is"):
        load_model(of_path)


def test_weights_without_a_model(path: Path, of_path: Settings) -> None:
    """A file of weights alone is refused as such."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["weights"] = np.zeros(3)
    path.write_bytes(content.getvalue())
    with pytest.raises(ModelError, match=r"model\.save_weights"):
        load_model(of_path)


def test_model_that_keras_cannot_load(path: Path, of_path: Settings) -> None:
    """Where Keras cannot load a model, its own reason is given in one line, with the path."""
    save_model(path)
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = file.attrs["model_config"].replace('"units"', '"entities"')
    with pytest.raises(ModelError, match=rf"^{path}: Keras [\d.]+ cannot load it: TypeError: .*'units'") as error:
        load_model(of_path)
    assert str(error.value).isprintable()


def test_digest_that_does_not_match(path: Path, of_path: Settings) -> None:
    """A model that its manifest does not describe is refused."""
    save_model(path)
    save_manifest(path, sha256="0" * 64)
    with pytest.raises(ModelError, match=r"not the file that .*model\.json describes"):
        load_model(of_path)


def test_input_of_another_size(path: Path, of_path: Settings) -> None:
    """A model for images of another size is refused, with both sizes and the settings that gave one."""
    save_model(path, shape=(6, 5, 1))
    with pytest.raises(
        ModelError, match=rf"{path}: it takes images of 6×5 pixels, not of 4×5: correct FASHION_IMAGE_HEIGHT and"
    ):
        load_model(of_path)


def test_input_of_another_size_than_the_manifest(path: Path, of_path: Settings) -> None:
    """Where the manifest gave the size, the message names the manifest."""
    save_model(path, shape=(6, 5, 1))
    save_manifest(path)
    with pytest.raises(ModelError, match=rf"not of 4×5: correct {path.with_suffix('.json')}$"):
        load_model(of_path)


def test_labels_that_do_not_fit_the_output(path: Path, of_path: Settings) -> None:
    """A model with more outputs than labels is refused."""
    save_model(path, outputs=4)
    with pytest.raises(
        ModelError, match=rf"{path}: it has 4 outputs, but there are 3 labels: correct FASHION_CLASS_NAMES"
    ):
        load_model(of_path)


def test_logits_are_served_and_said_in_the_log(
    path: Path, of_path: Settings, images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    """A model that gives logits gets a softmax, and the log says so."""
    caplog.set_level("INFO")
    save_model(path, activation="linear")
    probabilities = load_model(of_path).classifier.classify(images).probabilities
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert "its outputs are logits, to which a softmax is added, as its last layer is linear" in caplog.text


def test_manifest_says_what_the_outputs_are(path: Path) -> None:
    """A model whose last layer does not tell is served as its manifest says."""
    save_model(path, activation="relu")
    settings = Settings(_env_file=None, model_path=path, cache_dir=path.parent, engine="keras")
    save_manifest(path)
    with pytest.raises(ModelError, match='write what they are into its manifest, as "output": "logits"'):
        load_model(settings)
    save_manifest(path, output="logits")
    assert load_model(settings).labels == LABELS


def test_one_output_needs_two_labels(path: Path, of_path: Settings) -> None:
    """A sigmoid of one output has two labels."""
    save_model(path, outputs=1, activation="sigmoid")
    assert load_model(of_path.model_copy(update={"class_names": ("no", "yes")})).labels == ("no", "yes")
    with pytest.raises(
        ModelError, match="it has 1 output, for 2 classes, but there are 3 labels: correct FASHION_CLASS_"
    ):
        load_model(of_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": ("x", "y", "z")},
        {"image_height": 28},
        {"image_width": 28},
        {"channels": 3},
        {"pixel_range": (0.0, 1.0)},
    ],
    ids=["class names", "height", "width", "colours", "range"],
)
def test_setting_that_contradicts_the_manifest(path: Path, changes: dict[str, object]) -> None:
    """A setting that contradicts the manifest is an error that names it."""
    save_model(path)
    save_manifest(path)
    settings = load_settings(Settings, env_file=path.with_name(".env"), overrides={"model_path": path, **changes})
    with pytest.raises(ModelError, match=f"FASHION_{next(iter(changes)).upper()}"):
        load_model(settings)


class NanClassifier(FakeClassifier):
    """Gives NaN, as a model whose training diverged."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities * np.float32("nan"))


@pytest.mark.parametrize(
    ("classifier", "message"),
    [(FailingClassifier(), "fails on a test image"), (NanClassifier(), "not probabilities")],
    ids=["fails", "NaN"],
)
def test_self_test_refuses_a_model_that_does_not_answer(classifier: FakeClassifier, message: str) -> None:
    """A model that fails, or gives NaN, is refused."""
    with pytest.raises(ModelError, match=message):
        self_test(classifier, make_signature(input=InputSpec(height=28, width=28), outputs=CLASSES))


class ManyNoveltiesClassifier(FakeClassifier):
    """Gives several novelties for an image, as a model whose second output is an image."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities, np.zeros((len(images), 5, 1), np.float32))


class NanNoveltyClassifier(FakeClassifier):
    """Gives NaN for the novelty."""

    def classify(self, images: Images) -> Predictions:
        return Predictions(super().classify(images).probabilities, np.full(len(images), np.nan, np.float32))


@pytest.mark.parametrize("classifier", [ManyNoveltiesClassifier(), NanNoveltyClassifier()], ids=["several", "NaN"])
def test_self_test_refuses_a_novelty_that_is_no_number(classifier: FakeClassifier) -> None:
    """A model whose second output is not one finite number for an image is refused."""
    with pytest.raises(ModelError, match="its second output, the novelty, is not one finite number for an image"):
        self_test(classifier, make_signature(input=InputSpec(height=28, width=28), outputs=CLASSES))
