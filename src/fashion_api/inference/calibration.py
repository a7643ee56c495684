"""What makes a model's answers mean what they say: a temperature, prediction sets and a threshold for novelty.

Fitted on validation images by `fashion_api.training.evaluate.calibrating`, kept in the manifest, applied by serving.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

COVERAGES = (0.9, 0.95, 0.99)
"""The coverages that prediction sets are fitted for."""
DEFAULT_COVERAGE = 0.95

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class PredictionSets(_Record):
    """How a set of classes is told that holds the right one in a chosen share of cases (split conformal prediction).

    `least-ambiguous` (M. Sadinle, J. Lei, L. Wasserman, arXiv:1609.00451): the classes of at least the threshold's
    probability. `adaptive` (Y. Romano, M. Sesia, E. Candès, arXiv:2006.02544, without randomisation): the most probable
    classes, until their probabilities add up to the threshold. Either always holds the most probable class.
    """

    method: Literal["least-ambiguous", "adaptive"] = Field(description="How a set is told from the probabilities.")
    thresholds: dict[str, _Threshold] = Field(description="The threshold for each coverage, 0.9, 0.95 and 0.99.")

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        missing = [f"{coverage:g}" for coverage in COVERAGES if f"{coverage:g}" not in self.thresholds]
        if missing:
            raise ValueError(f"thresholds: there is none for the coverage {', '.join(missing)}")
        return self

    def find_classes(self, probabilities: Sequence[float], coverage: float) -> list[int]:
        """Give the class ids that cannot be ruled out, from the most probable to the least.

        Args:
            probabilities: of one image, a class each.
            coverage: one of `COVERAGES`.
        """
        threshold = self.thresholds[f"{coverage:g}"]
        if self.method == "least-ambiguous":
            found = [class_id for class_id, probability in enumerate(probabilities) if probability >= threshold]
            if len(found) > 1:
                return sorted(found, key=lambda class_id: -probabilities[class_id])
            return [_find_top(probabilities)]
        return self._add_up(probabilities, threshold)

    def _add_up(self, probabilities: Sequence[float], threshold: float) -> list[int]:
        found: list[int] = []
        total = 0.0
        for class_id in sorted(range(len(probabilities)), key=lambda class_id: -probabilities[class_id]):
            found.append(class_id)
            total += probabilities[class_id]
            if total >= threshold:
                break
        return found


def _find_top(probabilities: Sequence[float]) -> int:
    return max(range(len(probabilities)), key=probabilities.__getitem__)


class NoveltyThresholds(_Record):
    """From which novelty on an image is taken for none of the articles; in the units of the model's second output."""

    threshold: _Positive = Field(description="95 % of the validation images have less; an image with more is refused.")
    threshold_98: _Positive = Field(description="98 % of the validation images have less; for the report.")


class Calibration(_Record):
    """What was fitted on the validation images."""

    images: int = Field(ge=1, strict=True, description="Validation images that it was fitted on.")
    temperature: _Positive = Field(
        description="The logits are divided by it before the softmax (C. Guo et al., arXiv:1706.04599)."
    )
    prediction_sets: PredictionSets = Field(description="How prediction sets are told.")
    novelty: NoveltyThresholds | None = Field(
        None, description="From where on an image is refused; null for a model without a novelty output."
    )
