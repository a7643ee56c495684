import numpy as np
import pytest

from fashion_api.data.dataset import Split
from fashion_api.images import Images
from fashion_api.inference.calibration import Calibration, NoveltyThresholds
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec, Manifest
from fashion_api.training.evaluate.robustness import measure_corruptions, measure_mirrored, measure_poor_pictures
from fashion_api.training.synthetic.corruptions import CORRUPTIONS
from fashion_api.training.synthetic.poor_pictures import MET, UNMET
from tests.fakes import FAKE_CALIBRATION
from tests.training.samples import LABELS, TRAINING_RECORD

CALIBRATION = FAKE_CALIBRATION.model_copy(update={"novelty": NoveltyThresholds(threshold=110.0, threshold_98=120.0)})


class LeftClassifier:
    """Takes an image that is brighter on its left for the first of two classes; the novelty is the mean grey."""

    def classify(self, images: Images) -> Predictions:
        left, right = images[:, :, :4].sum(axis=(1, 2)), images[:, :, 4:].sum(axis=(1, 2))
        grey = images.mean(axis=(1, 2), dtype=np.float32)
        return Predictions(np.stack([left > right, left <= right], axis=1).astype(np.float32), grey)


def make_model(*, calibration: Calibration | None = None, recipe: str | None = None) -> LoadedModel:
    training = None if recipe is None else TRAINING_RECORD.model_copy(update={"recipe": recipe})
    spec = InputSpec(height=8, width=8)
    manifest = Manifest(
        name="left", sha256="0" * 64, labels=LABELS, input=spec, calibration=calibration, training=training
    )
    return LoadedModel("left", "0", LABELS, spec, "fake", manifest, LeftClassifier())


@pytest.fixture
def halves() -> Split:
    """Twenty images of 8×8, the left half bright in class 0 and the right in class 1."""
    images = np.zeros((20, 8, 8), np.uint8)
    images[::2, :, :4] = 200
    images[1::2, :, 4:] = 200
    return Split(images, (np.arange(20) % 2).astype(np.uint8), "0" * 64)


def test_mirrored_images_are_mirrored(halves: Split) -> None:
    """A classifier by left and right gets every mirrored image wrong."""
    assert measure_mirrored(make_model(), halves) == 0


def test_every_corruption_is_measured_at_three_strengths(halves: Split) -> None:
    """Each kind has three accuracies and three strengths."""
    scores = measure_corruptions(make_model(), halves)
    assert scores.keys() == CORRUPTIONS.keys()
    assert scores["JPEG"].strengths == ("quality 75", "quality 50", "quality 25")
    assert scores["contrast"].accuracies == (1, 1, 1)


@pytest.mark.parametrize(("recipe", "expected"), [("small", True), ("tutorial", False), ("own", None), (None, None)])
def test_recipe_decides_what_was_trained_for(halves: Split, recipe: str | None, expected: bool | None) -> None:  # noqa: FBT001  # a case
    """Shifts are trained for by the recipes that shift images; for an unknown recipe it is not known."""
    assert measure_corruptions(make_model(recipe=recipe), halves)["shift"].is_trained_for is expected


def test_accepted_share_is_measured_beside_the_accuracy(halves: Split) -> None:
    """With thresholds, each strength has the share of images that are accepted."""
    brightness = measure_corruptions(make_model(calibration=CALIBRATION), halves)["brightness"]
    assert brightness.accepted == (0, 0, 0)  # a mean of 100 and 30 more is over 110
    assert brightness.accuracies == (1, 1, 1)
    assert measure_corruptions(make_model(), halves)["brightness"].accepted is None


@pytest.mark.parametrize(("recipe", "met"), [("compact", True), ("small", False), ("own", None)])
def test_poor_pictures_are_measured_by_kind(halves: Split, recipe: str, met: bool | None) -> None:  # noqa: FBT001  # a case
    """Each kind has an accuracy and an accepted share, and says whether the recipe shows the like."""
    scores = measure_poor_pictures(make_model(calibration=CALIBRATION, recipe=recipe), halves)
    assert scores.keys() == {*MET, *UNMET}
    assert scores["shrunk to five sevenths"].accuracy == 1
    assert scores["shrunk to five sevenths"].accepted == 1
    assert scores["pixels halved"].is_trained_for is met
    assert scores["glare"].is_trained_for is (None if met is None else False)


def test_large_images_are_altered_in_parts() -> None:
    """Of images so large that a few at a time are altered, the accuracy is that of all."""
    large = np.zeros((7, 400_000, 8), np.uint8)
    large[[0, 1, 2, 4, 6], :, :4] = 200
    large[[3, 5], :, 4:] = 200
    split = Split(large, np.array([1, 1, 1, 1, 1, 0, 0], np.uint8), "0" * 64)
    assert measure_mirrored(make_model(), split) == pytest.approx(5 / 7)
