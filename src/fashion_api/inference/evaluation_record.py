"""What an evaluation measured beside the accuracy; part of the manifest, written by `fashion-api evaluate`.

docs/evaluation.md says how each figure is made.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Record(BaseModel):
    """Unknown fields are kept out of the way, so that an older version reads a newer manifest."""

    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class Estimate(_Record):
    """A figure with how far it may be off."""

    value: _Finite = Field(description="The figure.")
    low: _Finite = Field(description="The lower end of its 95 % bootstrap interval.")
    high: _Finite = Field(description="The upper end.")


class CalibrationScore(_Record):
    """How well probabilities say how often they are right."""

    expected_calibration_error: Estimate = Field(
        description="The mean distance between confidence and accuracy, over 15 bins of equal width."
    )
    expected_calibration_error_floor: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="What that would be by chance if every confidence were exactly right.",
    )
    negative_log_likelihood: Estimate = Field(description="The mean of -log P(the right class), in nats.")
    brier: Estimate = Field(description="The mean squared error of the probabilities, summed over the classes; 0 to 2.")


class CalibrationReport(_Record):
    """The same on the test images without and with the temperature."""

    before: CalibrationScore = Field(description="As the network gives the probabilities.")
    after: CalibrationScore = Field(description="As they are served.")


class PredictionSetScore(_Record):
    """How the prediction sets for one coverage turned out on the test images."""

    coverage: Fraction = Field(description="The share of the images whose set holds the right class.")
    coverage_interval: tuple[Fraction, Fraction] = Field(description="The Wilson score interval at 95 %.")
    class_coverage: dict[str, Fraction] = Field(description="The same for the images of each class, by label.")
    mean_size: float = Field(ge=1, description="Classes in a set, on average.")
    sizes: tuple[int, ...] = Field(description="How many sets hold one class, two, three and so on.")


class NoveltyScore(_Record):
    """How well one method tells what is no article from articles."""

    auroc: Fraction = Field(description="The area under the ROC curve: P(an image that is none scores higher).")
    fpr_95: Fraction = Field(description="The share that is accepted where 95 % of the articles are.")


class NoveltySetScore(_Record):
    """One kind of image that shows no article, or an altered one."""

    images: int = Field(ge=1, description="How many images.")
    methods: dict[str, NoveltyScore] = Field(description="How well each method tells them from articles.")
    refused: Fraction | None = Field(
        None, description="The share that the service says no to; null without a threshold."
    )
    refused_98: Fraction | None = Field(None, description="The share with the threshold that accepts 98 %.")


class AcceptedScore(_Record):
    """How many of the true articles the thresholds let through."""

    accepted: Fraction = Field(description="The share of the test images that the service accepts.")
    accepted_98: Fraction = Field(description="The share with the threshold that accepts 98 %.")
    classes: dict[str, Fraction] = Field(description="The share accepted of each class, by label.")


class NoveltyReport(_Record):
    """How images are recognised that show no article."""

    best_method: str = Field(
        description="The method with the lowest mean fpr_95 over `choosing`; of equals, the cheapest."
    )
    choosing: dict[str, NoveltySetScore] = Field(
        description="Validation images against made-up kinds that training did not show; the choice rests on it."
    )
    report: dict[str, NoveltySetScore] = Field(
        description="Test images against kinds of images that neither training nor the choice has seen."
    )
    not_measured: tuple[str, ...] = Field((), description="Kinds that were not at hand.")
    articles: AcceptedScore | None = Field(
        None, description="Test images that the service accepts; null for a model without a novelty output."
    )


class CorruptionScore(_Record):
    """Accuracy on test images corrupted in one way."""

    strengths: tuple[str, str, str] = Field(description="How strong, from mild to hard.")
    accuracies: tuple[Fraction, Fraction, Fraction] = Field(description="The accuracy at each.")
    is_trained_for: bool | None = Field(
        None, description="Whether training alters its images in a like way; null where the recipe is not known."
    )


class CostRecord(_Record):
    """What one answer costs."""

    parameters: int = Field(ge=0, description="Weights in the model.")
    multiply_adds: int = Field(ge=0, description="Multiplications, each with its addition, for one image.")
    relative_time: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="Time of the compiled form for one image on one thread, over that of the tutorial's network "
        "measured in turns with it; null where the model does not compile.",
    )
