"""What an evaluation measured: the part of the manifest that `fashion-api evaluate` writes.

docs/explanation/evaluation.md defines each figure.
"""

from typing import Annotated

from pydantic import Field

from fashion_api.inference.record import Record

OWN_OUTPUT = "own output"
"""The name of a model's novelty output among the methods of a `NoveltySetScore`."""

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class Estimate(Record):
    """A figure with its 95 % interval."""

    value: _Finite = Field(description="The figure.")
    low: _Finite = Field(description="The lower end of its 95 % bootstrap interval.")
    high: _Finite = Field(description="The upper end.")


class CalibrationScore(Record):
    """How well the probabilities agree with how often the predictions are right."""

    expected_calibration_error: Estimate = Field(
        description="The mean distance between confidence and accuracy, over 15 bins of equal width."
    )
    expected_calibration_error_floor: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="Its expected value, due to chance alone, if every confidence were exactly right.",
    )
    negative_log_likelihood: Estimate = Field(description="The mean of -log P(the right class), in nats.")
    brier: Estimate = Field(description="The mean squared error of the probabilities, summed over the classes; 0 to 2.")


class ClassReliability(Record):
    """How often one class is right when it is predicted, and how confident the predictions are."""

    images: int = Field(ge=0, description="Images predicted as this class.")
    confidence: Fraction | None = Field(description="Their mean confidence; null for no images.")
    accuracy: Fraction | None = Field(description="The share of them that are right; null for no images.")


class CalibrationReport(Record):
    """The calibration on the test images, without and with the temperature."""

    before: CalibrationScore = Field(description="Of the network's probabilities, without the temperature.")
    after: CalibrationScore = Field(description="Of the served probabilities, with the temperature.")
    classes: dict[str, ClassReliability] | None = Field(
        None, description="Confidence and accuracy by predicted class, as served; null in earlier records."
    )


class PredictionSetScore(Record):
    """The prediction sets of one nominal coverage, measured on the test images."""

    coverage: Fraction = Field(description="The share of the images whose set holds the right class.")
    coverage_interval: tuple[Fraction, Fraction] = Field(description="The Wilson score interval at 95 %.")
    class_coverage: dict[str, Fraction] = Field(description="The coverage among the images of each class, by label.")
    mean_size: float = Field(ge=1, description="Classes in a set, on average.")
    sizes: tuple[int, ...] = Field(description="How many sets hold one class, two, three and so on.")


class NoveltyScore(Record):
    """How well one method separates one kind of image from images of the classes."""

    auroc: Fraction = Field(
        description="The area under the ROC curve: P(an image of this kind scores higher than an image of the classes)."
    )
    fpr_95: Fraction = Field(
        description="The share accepted at the threshold that accepts 95 % of the images of the classes."
    )


class NoveltySetScore(Record):
    """One kind of out-of-distribution image: it shows none of the classes, or an altered image."""

    images: int = Field(ge=1, description="How many images.")
    methods: dict[str, NoveltyScore] = Field(
        description="How well each method separates them from images of the classes."
    )
    refused: Fraction | None = Field(None, description="The share that the service refuses; null without a threshold.")
    refused_98: Fraction | None = Field(
        None, description="The share with the threshold that accepts 98 %; null with thresholds for each class."
    )
    is_trained_for: bool | None = Field(
        None, description="Whether training shows outliers of this kind; null if the recipe is unknown."
    )


class AcceptedScore(Record):
    """How many of the test images the novelty thresholds accept."""

    accepted: Fraction = Field(description="The share of the test images that the service accepts.")
    accepted_98: Fraction | None = Field(
        None, description="The share with the threshold that accepts 98 %; null with thresholds for each class."
    )
    classes: dict[str, Fraction] = Field(description="The share accepted of each class, by label.")


class NoveltyReport(Record):
    """How well images that show none of the classes are detected."""

    best_method: str = Field(
        description="The method with the lowest mean fpr_95 over `choosing`; of equals, the cheapest."
    )
    choosing: dict[str, NoveltySetScore] = Field(
        description="Validation images against synthetic kinds that training did not use, to choose the best method."
    )
    report: dict[str, NoveltySetScore] = Field(
        description="Test images against kinds that neither training nor the choice of the method used."
    )
    not_measured: tuple[str, ...] = Field((), description="Kinds that were not available.")
    articles: AcceptedScore | None = Field(
        None, description="Test images that the service accepts; null for a model without a novelty output."
    )


class CorruptionScore(Record):
    """Accuracy on test images corrupted in one way."""

    strengths: tuple[str, str, str] = Field(description="The three strengths, from mild to hard.")
    accuracies: tuple[Fraction, Fraction, Fraction] = Field(description="The accuracy at each.")
    accepted: tuple[Fraction, Fraction, Fraction] | None = Field(
        None, description="The share accepted at each; null without a novelty threshold."
    )
    is_trained_for: bool | None = Field(
        None, description="Whether training alters its images similarly; null if the recipe is unknown."
    )


class PoorPictureScore(Record):
    """Test images altered in one way, as a poor camera, scanner or crop does."""

    accuracy: Fraction = Field(description="The share classified correctly.")
    accepted: Fraction | None = Field(None, description="The share accepted; null without a novelty threshold.")
    is_trained_for: bool | None = Field(
        None, description="Whether training alters its images similarly; null if the recipe is unknown."
    )


class NonsenseScore(Record):
    """What a search for nonsense, shapes that the model takes for a class, reached."""

    queries: int = Field(ge=1, description="Images classified in the search for one class.")
    probability: Fraction = Field(description="The least probability of a class that counts as reached.")
    reached: tuple[tuple[str, ...], ...] = Field(
        description="For each search of all classes, by its seed from 0: the classes for which an accepted image of at "
        "least this probability was found."
    )


class CostRecord(Record):
    """What one prediction costs."""

    parameters: int = Field(ge=0, description="Weights in the model.")
    multiply_adds: int = Field(ge=0, description="Multiplications, each with an addition, for one image.")
    relative_time: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Time of the compiled form for one image on one thread, divided by that of the tutorial's network "
        "measured in alternation with it; null if the model cannot be compiled.",
    )


class ClassScore(Record):
    """Precision and recall of one class."""

    precision: Fraction = Field(description="The share of the images predicted as this class that are of it.")
    recall: Fraction = Field(description="The share of the images of this class that are predicted as it.")
    images: int = Field(description="Images of this class.")


class EvaluationRecord(Record):
    """How the model scored on the test set."""

    data_sha256: Sha256 = Field(description="SHA-256 of the test images' and then labels' uncompressed IDX files.")
    images: int = Field(ge=1, description="Images in the test set.")
    correct: int = Field(ge=0, description="Images classified correctly.")
    accuracy: Fraction = Field(description="correct / images.")
    accuracy_interval: tuple[Fraction, Fraction] = Field(description="The Wilson score interval at 95 %.")
    classes: dict[str, ClassScore] = Field(description="Precision and recall of each class, by label.")
    confusion_matrix: tuple[tuple[int, ...], ...] = Field(
        description="Counts, with a row for each actual class and a column for each predicted class."
    )
    calibration: CalibrationReport | None = Field(
        None, description="How well the probabilities are calibrated; null for a model without a calibration."
    )
    prediction_sets: dict[str, PredictionSetScore] | None = Field(
        None,
        description="The prediction sets, by nominal coverage; null for a model without a calibration.",
    )
    novelty: NoveltyReport | None = Field(
        None, description="How well images that show none of the classes are detected; null if not measured."
    )
    mirrored_accuracy: Fraction | None = Field(None, description="Accuracy on the test images mirrored left to right.")
    corruptions: dict[str, CorruptionScore] | None = Field(
        None, description="Accuracy on corrupted test images, by kind of corruption."
    )
    poor_pictures: dict[str, PoorPictureScore] | None = Field(
        None, description="Accuracy and acceptance of poor pictures made from the test images, by kind."
    )
    nonsense: NonsenseScore | None = Field(
        None, description="What a search for accepted nonsense reached; null without a novelty threshold."
    )
    cost: CostRecord | None = Field(None, description="What one prediction costs.")

    @property
    def predicted_shares(self) -> tuple[float, ...]:
        """The share of the test images that is taken for each class, in the order of the labels."""
        return tuple(sum(column) / self.images for column in zip(*self.confusion_matrix, strict=False))

    @property
    def accepted_share(self) -> float | None:
        """The share of the test images that is accepted; `None` for a model without a novelty output."""
        return None if self.novelty is None or self.novelty.articles is None else self.novelty.articles.accepted
