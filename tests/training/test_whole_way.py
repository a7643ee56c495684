"""A data set of another kind the whole way: from folders of pictures in colour to a model and its card."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashion_api.data.dataset import Split
from fashion_api.errors import TrainingError
from fashion_api.inference.evaluation_record import EvaluationRecord
from fashion_api.inference.keras_engine import KerasClassifier
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import read_manifest, write_manifest
from fashion_api.pictures.data_set import find_data_set
from fashion_api.pictures.preparation import prepare_picture
from fashion_api.settings import TrainingSettings
from fashion_api.training.classification import classify_all
from fashion_api.training.evaluate.features import FeatureExtractor
from fashion_api.training.evaluate.measures import measure_accuracy
from fashion_api.training.evaluate.nonsense import measure_nonsense
from fashion_api.training.evaluate.novelty import measure_novelty
from fashion_api.training.evaluate.robustness import measure_corruptions, measure_mirrored, measure_poor_pictures
from fashion_api.training.fit.training import TrainingOutcome, train_model
from fashion_api.training.network.backend import keras
from fashion_api.training.report.card import render_folder
from fashion_api.training.report.figures import write_figures
from fashion_api.training.validation import find_held_back
from tests.colour_pictures import CLASSES, draw_flower, write_folders
from tests.eager import computing_eagerly

pytestmark = pytest.mark.tensorflow

OF_FASHION_MNIST = re.compile("article|fashion.?mnist|mnist|garment|cloth|shirt|light on black|turned", re.IGNORECASE)


def make_settings(data_dir: Path) -> TrainingSettings:
    """Settings of a run of seconds; the size, the colours and the classes are those of the data."""
    return TrainingSettings.model_validate(
        {
            "data_dir": data_dir,
            "cache_dir": data_dir.parent / "cache",
            "recipe": "compact",
            "epochs": 2,
            "batch_size": 6,
            "hidden_units": 8,
            "validation_size": 12,
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> TrainingOutcome:
    """A model of flowers in colour, trained on folders of PNG and JPEG files."""
    folder = tmp_path_factory.mktemp("flowers")
    write_folders(folder / "flowers", {"train": 48, "test": 18})
    with pytest.MonkeyPatch.context() as monkeypatch, computing_eagerly():
        monkeypatch.chdir(folder)
        return train_model(
            make_settings(folder / "flowers"),
            command="fashion-api train --data-dir flowers",
            model_path=folder / "flowers.h5",
        )


@pytest.fixture(scope="module")
def test_set(trained: TrainingOutcome) -> Split:
    """The test images of the flowers, as evaluation and serving read them for the model."""
    manifest, directory = trained.manifest, trained.model_path.with_name("flowers")
    return find_data_set(make_settings(directory), labels=manifest.labels, shape=manifest.input.shape).load("test")


@pytest.fixture(scope="module")
def model(trained: TrainingOutcome) -> LoadedModel:
    """The trained model as the Keras engine serves it."""
    manifest = trained.manifest
    network = keras.models.load_model(trained.model_path, compile=False)
    return LoadedModel(
        name=manifest.name,
        version=manifest.sha256[:12],
        labels=manifest.labels,
        input=manifest.input,
        engine="keras",
        manifest=manifest,
        classifier=KerasClassifier(network, manifest.input),
    )


@pytest.fixture(scope="module")
def evaluated(trained: TrainingOutcome, model: LoadedModel, test_set: Split) -> EvaluationRecord:
    """What is measured of the model in colour, and written into its manifest."""
    training_set = find_data_set(make_settings(trained.model_path.with_name("flowers"))).load("train")
    thresholds = trained.manifest.calibration.novelty if trained.manifest.calibration else None
    network = keras.models.load_model(trained.model_path, compile=False)
    answers = classify_all(model.classifier, test_set.images)
    with computing_eagerly():
        record = measure_accuracy(answers, test_set, model.labels).model_copy(
            update={
                "mirrored_accuracy": measure_mirrored(model.classifier, test_set),
                "corruptions": measure_corruptions(model.classifier, test_set, thresholds, recipe="compact"),
                "poor_pictures": measure_poor_pictures(model.classifier, test_set, thresholds, recipe="compact"),
                "nonsense": measure_nonsense(model, queries=20, seeds=(0,)),
                "novelty": measure_novelty(
                    model,
                    FeatureExtractor(network, model.input),
                    find_held_back(training_set, trained.record),
                    test_set,
                    digits=None,
                    drawn=12,
                ),
            }
        )
    manifest = trained.manifest.model_copy(update={"evaluation": record})
    write_manifest(trained.model_path, manifest)
    write_figures(trained.model_path, manifest, test_set, answers, history=())
    return record


def test_manifest_is_of_the_datas_classes_and_images(trained: TrainingOutcome) -> None:
    """The labels are the folders' names, and the input has the pictures' size and colours."""
    manifest = read_manifest(trained.model_path)
    assert manifest is not None
    assert (manifest.labels, manifest.input.shape) == (CLASSES, (8, 8, 3))
    assert manifest.calibration is not None
    assert manifest.calibration.novelty is not None


def test_run_on_images_of_another_size_is_not_resumed(
    trained: TrainingOutcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same pictures in another size are other data."""
    monkeypatch.chdir(trained.model_path.parent)
    settings = make_settings(trained.model_path.with_name("flowers")).model_copy(update={"image_height": 9})
    with pytest.raises(TrainingError, match="it was started differently: pixels"):
        train_model(settings, command="", model_path=trained.model_path, resume=True)


def test_model_tells_the_colours_apart(evaluated: EvaluationRecord) -> None:
    """The classes, which differ in their colours alone, are learnt in two epochs."""
    assert (evaluated.images, evaluated.correct) == (18, 18)


def test_everything_is_measured_in_colour(evaluated: EvaluationRecord) -> None:
    """Corruptions, poor pictures, nonsense and novelty are all measured, with the shares that are accepted."""
    assert evaluated.corruptions is not None
    assert all(score.accepted is not None for score in evaluated.corruptions.values())
    assert evaluated.poor_pictures is not None
    assert evaluated.nonsense is not None
    assert evaluated.novelty is not None
    assert evaluated.novelty.report["letters"].methods.keys() > {"own output", "ViM"}


@pytest.mark.usefixtures("evaluated")
def test_card_is_true_of_the_data(trained: TrainingOutcome) -> None:
    """The card says what the images are, and has no word of Fashion-MNIST's."""
    card = render_folder(trained.model_path)
    assert "images in colour of 8×8 pixels; **classes** daisy, poppy, violet" in card
    assert all(f"## {section}" in card for section in ("Accuracy", "Novelty", "Robustness"))
    assert not OF_FASHION_MNIST.findall(card)


def test_large_jpeg_is_recognised(model: LoadedModel) -> None:
    """A large photograph, prepared as serving prepares one, is recognised by its colours."""
    content = io.BytesIO()
    flower = draw_flower("poppy", np.random.default_rng(9), height=300, width=400)
    Image.fromarray(flower).save(content, "JPEG")
    height, width, channels = model.input.height, model.input.width, model.input.channels
    prepared = prepare_picture(content.getvalue(), height=height, width=width, channels=channels)
    (class_id,) = model.classifier.classify(prepared.image[None]).class_ids
    assert model.labels[class_id] == "poppy"
