from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from fashion_api.data.dataset import Split
from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import NoveltyScore, NoveltySetScore
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec
from fashion_api.training.evaluate.novelty import (
    OWN,
    ClassGaussians,
    FeatureExtractor,
    Features,
    Neighbours,
    NoveltyMethods,
    Residual,
    has_features,
    score_maximum_softmax,
    sum_exponentials,
)
from fashion_api.training.evaluate.novelty_report import choose_method, report_novelty
from fashion_api.training.evaluate.out_of_distribution import DIGITS
from fashion_api.training.fit.backend import Model, keras
from fashion_api.training.fit.validation import TrainingData
from tests.training.conftest import LABELS

Matrix = npt.NDArray[np.floating]

RNG = np.random.default_rng(6)
KNOWN = np.concatenate((RNG.normal(0, 1, (200, 6)), RNG.normal(5, 1, (200, 6)))).astype(np.float32)
CLASSES = np.repeat([0, 1], 200)
NEAR, FAR = (
    KNOWN[200:205] + np.float32(0.01),
    np.full((5, 6), -40, np.float32) + RNG.normal(0, 1, (5, 6)).astype(np.float32),
)


class BrightClassifier:
    """Takes dark images for articles: the mean grey is the novelty."""

    def classify(self, images: Images) -> Predictions:
        grey = images.mean(axis=(1, 2), dtype=np.float32)
        return Predictions(np.stack([1 - grey / 255, grey / 255], axis=1), grey)


def build_network() -> Model:
    """Build a network of 4×4 images that ends as `FeatureExtractor` needs it."""
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Flatten(),
            keras.layers.Dense(6, activation="relu", name="features"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, name="logits"),
            keras.layers.Softmax(),
        ]
    )


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """Forty dark images, ten of them held back."""
    images = np.random.default_rng(0).integers(0, 60, (40, 4, 4), dtype=np.uint8)
    labels = (np.arange(40) % 2).astype(np.uint8)
    return TrainingData(images[:30], labels[:30], images[30:], labels[30:])


def test_energy_is_the_logarithm_of_the_sum() -> None:
    """The sum of exponentials is computed right where they would overflow."""
    logits = np.array([[0.0, np.log(3)], [1000.0, 1000.0]])
    np.testing.assert_allclose(sum_exponentials(logits), [np.log(4), 1000 + np.log(2)])


def test_maximum_softmax_is_the_logarithm_of_the_largest_probability() -> None:
    """The score is -log of the largest probability, and keeps apart what rounds to 1."""
    logits = np.array([[0.0, np.log(3)], [0.0, 40.0], [0.0, 50.0]])
    scores = score_maximum_softmax(logits)
    assert scores[0] == pytest.approx(-np.log(0.75))
    assert scores[1] > scores[2] > 0


def test_mahalanobis_of_a_mean_is_zero() -> None:
    """The mean of a class is at no distance from it, and a step along a feature costs by its variance: by hand."""
    values = np.array([[-1.0, 0], [1, 0], [0, -2], [0, 2], [9, 0], [11, 0], [10, -2], [10, 2]])
    gaussians = ClassGaussians(values, np.repeat([0, 1], 4))
    np.testing.assert_allclose(gaussians.score(np.array([[0.0, 0], [10, 0], [2, 0], [0, 2]])), [0, 0, 8, 2])


def test_mahalanobis_takes_a_feature_that_never_varies() -> None:
    """A feature that is the same for all images does no harm."""
    values: Matrix = np.column_stack((KNOWN, np.zeros(len(KNOWN))))
    plain, padded = ClassGaussians(KNOWN, CLASSES), ClassGaussians(values, CLASSES)
    np.testing.assert_allclose(padded.score(values[:9]), plain.score(KNOWN[:9]), rtol=1e-6)


def test_neighbour_is_the_kth_nearest_direction() -> None:
    """The distance is that to the second nearest of the known, all at length 1: by hand."""
    known = np.array([[2.0, 0], [0, 5], [-1, 0]])
    assert Neighbours(known, k=2).score(np.array([[3.0, 0]]))[0] == pytest.approx(np.sqrt(2))


def test_neighbours_are_found_for_more_than_fits_at_once() -> None:
    """Many queries are answered in parts, each as it would be alone."""
    neighbours = Neighbours(KNOWN, k=3)
    queries = np.tile(KNOWN, (6, 1))[:2301]
    np.testing.assert_allclose(neighbours.score(queries)[-1], neighbours.score(queries[-1:])[0], atol=1e-6)


def test_residual_is_outside_the_principal_space() -> None:
    """Along directions in which articles vary, the virtual logit stays; across them, it grows."""
    rng = np.random.default_rng(0)
    values = np.column_stack((rng.normal(0, 3, (300, 2)), rng.normal(0, 0.1, (300, 2)))).astype(np.float32)
    kernel = np.eye(4)[:, :2]
    residual = Residual(Features(values, values[:, :2]), kernel, np.zeros(2))
    logits = np.zeros((2, 2), np.float32)
    along, across = residual.score(Features(np.array([[5, 0, 0, 0], [0, 0, 5, 0]], np.float32), logits))
    assert along == pytest.approx(-np.log(2), abs=0.5)
    assert across > along + 10


@pytest.mark.parametrize("score", [ClassGaussians(KNOWN, CLASSES).score, Neighbours(KNOWN).score])
def test_what_is_far_from_all_classes_is_novel(score: Callable[[Matrix], Matrix]) -> None:
    """Features near those of the articles score lower than features far from all of them."""
    assert score(NEAR).max() < score(FAR).min()


def test_features_are_what_the_last_layer_is_given() -> None:
    """The features, times the last layer's weights, are the logits; pixels are scaled to the model's range."""
    network = build_network()
    extractor = FeatureExtractor(network, InputSpec(height=4, width=4, pixel_range=(0.0, 1.0)))
    images = np.random.default_rng(0).integers(0, 256, (700, 4, 4), dtype=np.uint8)
    features = extractor.extract(images)
    np.testing.assert_allclose(features.values @ extractor.kernel + extractor.bias, features.logits, atol=1e-4)
    np.testing.assert_allclose(keras.ops.softmax(features.logits), network(images[..., None] / 255.0), atol=1e-5)


def test_network_without_logits_has_no_features() -> None:
    """A network whose last layer is called otherwise is told apart."""
    network = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, "softmax")])
    assert (has_features(network), has_features(build_network())) == (False, True)


def test_all_methods_score_every_image(data: TrainingData) -> None:
    """Each method gives one finite score an image."""
    extractor = FeatureExtractor(build_network(), InputSpec(height=4, width=4))
    methods = NoveltyMethods(BrightClassifier(), extractor, data.images, data.labels)
    scores = methods.score(data.validation_images, description="")
    assert len(scores) == 6
    assert all(values.shape == (10,) and np.isfinite(values).all() for values in scores.values())


def test_without_features_the_answers_alone_are_scored(data: TrainingData) -> None:
    """Of a model with other last layers, its own output and its probabilities are compared."""
    methods = NoveltyMethods(BrightClassifier(), None, data.images, data.labels)
    assert set(methods.score(data.images, description="")) == {OWN, "maximum softmax"}


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [((0.0, 0.5), (0.2, 0.2), "second"), ((0.1, 0.1), (0.2, 0.2), "first"), ((0.003, 0.001), (0.001, 0.001), "first")],
    ids=["fewer mistakes", "fewer mistakes and cheaper", "cheaper of equals"],
)
def test_method_with_the_fewest_mistakes_is_chosen(
    first: tuple[float, float], second: tuple[float, float], chosen: str
) -> None:
    """The method is chosen by the mean share that is taken for articles; of two that chance sets apart, the cheaper."""
    choosing = {
        name: NoveltySetScore(
            images=500,
            methods={
                "first": NoveltyScore(auroc=0.5, fpr_95=mistakes),
                "second": NoveltyScore(auroc=0.5, fpr_95=others),
            },
        )
        for name, mistakes, others in zip("xy", first, second, strict=True)
    }

    assert choose_method(choosing) == chosen


def test_report_says_what_was_not_measured(data: TrainingData) -> None:
    """Without digits the report names them as not measured; without thresholds it has nothing refused."""
    model = LoadedModel("bright", "0", LABELS, InputSpec(height=4, width=4), "fake", None, BrightClassifier())
    test = Split(data.images, data.labels, "0" * 64)
    report = report_novelty(model, None, data, test, digits=None, drawn=5)
    assert report.not_measured == (DIGITS,)
    assert DIGITS not in report.report
    assert report.articles is None
    assert {kind.refused for kind in report.report.values()} == {None}
