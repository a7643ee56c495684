"""The calibration of a model: a temperature, thresholds for prediction sets, and thresholds for the novelty score.

`fashion_api.training.calibrate` fits it on validation images; the manifest stores it; serving applies it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fashion_api.inference.record import Record

COVERAGES = (0.9, 0.95, 0.99)
"""The coverages that prediction sets are fitted for."""
DEFAULT_COVERAGE = 0.95
LEAST_PROBABILITY = 1e-37
"""Smaller probabilities are raised to it before a logarithm is taken; it is a normal float32."""

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class PredictionSets(Record):
    """How to form sets of classes that hold the right class in a given share of cases (split conformal prediction).

    `least-ambiguous` (M. Sadinle, J. Lei, L. Wasserman, arXiv:1609.00451): the classes with at least the threshold's
    probability. `adaptive` (Y. Romano, M. Sesia, E. Candès, arXiv:2006.02544, without randomisation): the most probable
    classes, until their probabilities add up to the threshold. Either always holds the most probable class.
    """

    method: Literal["least-ambiguous", "adaptive"] = Field(description="How a set is formed from the probabilities.")
    thresholds: dict[str, _Threshold] = Field(description="The threshold for each coverage, 0.9, 0.95 and 0.99.")

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        missing = [f"{coverage:g}" for coverage in COVERAGES if f"{coverage:g}" not in self.thresholds]
        if missing:
            raise ValueError(f"thresholds: there is none for the coverage {', '.join(missing)}")
        return self

    def find_classes(self, probabilities: Sequence[float], coverage: float) -> list[int]:
        """Give the class ids of an image's prediction set, the most probable first.

        Args:
            probabilities: one for each class.
            coverage: one of `COVERAGES`.
        """
        threshold = self.thresholds[f"{coverage:g}"]
        if self.method == "least-ambiguous":
            found = [class_id for class_id, probability in enumerate(probabilities) if probability >= threshold]
            if len(found) > 1:
                return sorted(found, key=lambda class_id: -probabilities[class_id])
            return [max(range(len(probabilities)), key=probabilities.__getitem__)]
        return _accumulate(probabilities, threshold)


def _accumulate(probabilities: Sequence[float], threshold: float) -> list[int]:
    """Give the fewest most probable classes whose probabilities add up to the threshold."""
    found: list[int] = []
    total = 0.0
    for class_id in sorted(range(len(probabilities)), key=lambda class_id: -probabilities[class_id]):
        found.append(class_id)
        total += probabilities[class_id]
        if total >= threshold:
            break
    return found


class NoveltyThresholds(Record):
    """The novelty above which an image is refused, in the units of the model's second output."""

    threshold: _Positive = Field(description="95 % of the validation images score no more; images above are refused.")
    threshold_98: _Positive = Field(description="98 % of the validation images score no more; for the report.")


class Calibration(Record):
    """What was fitted on the validation images."""

    images: int = Field(ge=1, strict=True, description="Validation images that it was fitted on.")
    temperature: _Positive = Field(
        description="The logits are divided by it before the softmax (C. Guo et al., arXiv:1706.04599)."
    )
    prediction_sets: PredictionSets = Field(description="How prediction sets are formed.")
    novelty: NoveltyThresholds | None = Field(
        None, description="The novelty above which images are refused; null for a model without a novelty output."
    )
