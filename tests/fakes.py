"""Parts that behave as the real ones do, without what those cost."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from starlette.middleware import Middleware

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError, DataNotFoundError
from fashion_api.images import Images
from fashion_api.inference.calibration import Calibration, NoveltyThresholds, PredictionSets
from fashion_api.inference.classifier import Classifier, Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.rest.app import ServiceApp, create_app
from fashion_api.service.decoder import Decoder
from fashion_api.service.following import ModelFollower
from fashion_api.service.keys import ApiKeys
from fashion_api.service.limits import BodyMemory, RequestLimit
from fashion_api.service.metrics import Metrics
from fashion_api.service.service import Service
from fashion_api.settings import FASHION_MNIST_LABELS, Settings

if TYPE_CHECKING:
    from fashion_api.service.batcher import Batcher

CLASSES = len(FASHION_MNIST_LABELS)


GREY = InputSpec(height=28, width=28)
COLOUR = InputSpec(height=32, width=32, channels=3)
COLOUR_LABELS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""Input and labels of a model in colour."""


class FakeClassifier:
    """Sees in an image the class that its first number names (modulo ten), with a probability of 0.91."""

    def classify(self, images: Images) -> Predictions:
        probabilities = np.full((len(images), CLASSES), 0.01, np.float32)
        probabilities[np.arange(len(images)), images.reshape(len(images), -1)[:, 0] % CLASSES] = 0.91
        return Predictions(probabilities)


class NovelClassifier(FakeClassifier):
    """Finds an image as novel as its last number says, in tenths."""

    def classify(self, images: Images) -> Predictions:
        probabilities = super().classify(images).probabilities
        return Predictions(probabilities, images.reshape(len(images), -1)[:, -1].astype(np.float32) / np.float32(10))


class FailingClassifier(FakeClassifier):
    """Fails on a batch that has an image of one of these classes in it, with a text that no caller may see."""

    def __init__(self, classes: Sequence[int] = range(CLASSES), error: BaseException | None = None) -> None:
        self.classes = classes
        self._error = error or RuntimeError("a secret of the engine")

    def classify(self, images: Images) -> Predictions:
        predictions = super().classify(images)
        if np.isin(predictions.class_ids, self.classes).any():
            raise self._error
        return predictions


FAKE_CALIBRATION = Calibration(
    images=5000,
    temperature=1.0,
    prediction_sets=PredictionSets(method="adaptive", thresholds={"0.9": 0.9, "0.95": 0.915, "0.99": 0.925}),
    novelty=NoveltyThresholds(threshold=2.0, threshold_98=4.0),
)
"""The fake classifier's sets have one class at 0.9, two at 0.95 and three at 0.99; its novelty may be 2."""


def fake_model(
    classifier: Classifier | None = None,
    *,
    spec: InputSpec = GREY,
    labels: tuple[str, ...] = FASHION_MNIST_LABELS,
) -> LoadedModel:
    """A loaded model around a fake classifier, calibrated if that scores novelty."""
    is_calibrated = isinstance(classifier, NovelClassifier)
    return LoadedModel(
        name="fake",
        version="0123456789ab",
        labels=labels,
        input=spec,
        engine="fake",
        manifest=Manifest(name="fake", sha256="0" * 64, labels=labels, input=spec, calibration=FAKE_CALIBRATION)
        if is_calibrated
        else None,
        classifier=classifier or FakeClassifier(),
    )


def fake_colour_model(classifier: Classifier | None = None) -> LoadedModel:
    """A loaded model of images in colour, of another data set's labels."""
    return fake_model(classifier, spec=COLOUR, labels=COLOUR_LABELS)


def fake_test_set(size: int = 30, shape: tuple[int, ...] = (28, 28)) -> Split:
    """Image i shows class i % 10; its first number says so, but every tenth looks like the next class."""
    labels = (np.arange(size) % CLASSES).astype(np.uint8)
    images = np.zeros((size, *shape), np.uint8)
    values = images.reshape(size, -1)
    values[:, 0] = labels
    values[::CLASSES, 0] += 1
    return Split(images, labels, sha256="0" * 64)


def fake_service(
    classifier: Classifier | None = None,
    *,
    model: LoadedModel | None = None,
    test_set: Split | DataError | None = None,
    **changes: object,
) -> Service:
    """A service that reads requests and writes replies, but has no batcher; `changes` are settings by field name."""
    settings = Settings(_env_file=None).model_copy(update=changes)
    return Service(
        settings=settings,
        model=model or fake_model(classifier),
        batcher=cast("Batcher", None),
        decoder=Decoder(),
        preparer=Decoder(),
        body_memory=BodyMemory(settings.max_body_memory_bytes),
        request_limit=RequestLimit(settings.max_concurrent_requests),
        metrics=Metrics(),
        keys=ApiKeys(settings),
        test_set=test_set or fake_test_set(),
    )


def fake_follower(service: Service | None = None) -> ModelFollower:
    """What holds a service in force, on the running event loop, and follows no file."""
    return ModelFollower(service or fake_service(), lambda _: None, load=fake_model, seen=())


def fake_app(
    classifier: Classifier | None = None, *, middleware: Sequence[Middleware] = (), **changes: object
) -> ServiceApp:
    """An app with fake parts that is not started; `changes` are settings by field name."""
    return create_app(
        Settings(_env_file=None).model_copy(update=changes),
        middleware=middleware,
        load_model=model_loader(classifier),
        load_test_set=load_fake_test_set,
    )


def model_loader(classifier: Classifier | None = None) -> Callable[[Settings], LoadedModel]:
    """What `create_app` loads the model with."""
    return lambda _settings: fake_model(classifier)


def load_fake_test_set(_settings: Settings, model: LoadedModel) -> Split:
    """What `create_app` loads the test set with."""
    return fake_test_set(shape=model.input.shape)


def find_no_test_set(_settings: Settings, _model: LoadedModel) -> Split:
    """What `create_app` finds where there is no data set."""
    raise DataNotFoundError("no test images of the data set in /secret/place")


def find_broken_test_set(_settings: Settings, _model: LoadedModel) -> Split:
    """What `create_app` finds where the data set is damaged."""
    raise DataError("/secret/place/t10k-images-idx3-ubyte.gz is not a whole gzip file")
