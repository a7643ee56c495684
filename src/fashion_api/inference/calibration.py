"""The calibration of a model: a temperature, thresholds for prediction sets, and thresholds for the novelty score.

`fashion_api.training.calibrate` fits it on validation images; the manifest stores it; serving applies it.
"""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from fashion_api.inference.record import Record

COVERAGES = (0.9, 0.95, 0.99)
"""The coverages that prediction sets are fitted for."""
DEFAULT_COVERAGE = 0.95
LEAST_PROBABILITY = 1e-37
"""Smaller probabilities are raised to it before a logarithm is taken; it is a normal float32."""

_HALF = 0.5

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]
_Threshold = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]


class PredictionSets(Record):
    """How to form sets of classes that hold the right class in a given share of cases (split conformal prediction).

    `least-ambiguous` (M. Sadinle, J. Lei, L. Wasserman, arXiv:1609.00451): the classes with at least the threshold's
    probability. `adaptive` (Y. Romano, M. Sesia, E. Candès, arXiv:2006.02544, without randomisation): the most probable
    classes, until their probabilities add up to the threshold. Either always holds the most probable class.
    """

    method: Literal["least-ambiguous", "adaptive"] = Field(description="How a set is formed from the probabilities.")
    thresholds: dict[str, _Threshold] = Field(
        description="The threshold of all classes for each coverage, 0.9, 0.95 and 0.99; the coverage then holds on "
        "average over the classes."
    )
    class_thresholds: dict[str, tuple[_Threshold, ...]] | None = Field(
        None,
        description="In place of `thresholds`: each class's own threshold for each coverage, in the order of the "
        "labels, so that the coverage holds for each class (Mondrian conformal prediction). For `least-ambiguous`.",
    )

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        for name, keys in (("thresholds", self.thresholds), ("class_thresholds", self.class_thresholds)):
            missing = [f"{coverage:g}" for coverage in COVERAGES if keys is not None and f"{coverage:g}" not in keys]
            if missing:
                raise ValueError(f"{name}: there is none for the coverage {', '.join(missing)}")
        if self.class_thresholds is not None and self.method != "least-ambiguous":
            raise ValueError(f"class_thresholds: the method {self.method!r} does not use them")
        return self

    def find_classes(self, probabilities: Sequence[float], coverage: float) -> list[int]:
        """Give the class ids of an image's prediction set, the most probable first.

        Args:
            probabilities: one for each class.
            coverage: one of `COVERAGES`.
        """
        key = f"{coverage:g}"
        if self.method == "adaptive":
            return _accumulate(probabilities, self.thresholds[key])
        if self.class_thresholds is None:
            threshold = self.thresholds[key]
            found = [class_id for class_id, probability in enumerate(probabilities) if probability >= threshold]
        else:
            found = [
                class_id
                for class_id, (probability, threshold) in enumerate(
                    zip(probabilities, self.class_thresholds[key], strict=True)
                )
                if probability >= threshold
            ]
        if len(found) == 1 and probabilities[found[0]] > _HALF:  # then it is the most probable class
            return found
        top = max(range(len(probabilities)), key=probabilities.__getitem__)
        if top not in found:  # another class may have a lower threshold of its own
            found.append(top)
        return sorted(found, key=lambda class_id: -probabilities[class_id])


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

    threshold: _Positive = Field(
        description="95 % of the validation images score no more; without `class_thresholds`, images above are refused."
    )
    threshold_98: _Positive = Field(description="98 % of the validation images score no more; for the report.")
    class_thresholds: tuple[_Positive, ...] | None = Field(
        None,
        description="In place of `threshold`: for each predicted class, in the order of the labels, what 97.5 % of the "
        "validation images predicted as it do not exceed; images above are refused.",
    )

    def scale(self, novelty: npt.NDArray[np.float32], class_ids: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
        """Divide the novelty of n images, predicted as these classes, by their thresholds: float64[n]."""
        thresholds = self.threshold if self.class_thresholds is None else np.array(self.class_thresholds)[class_ids]
        scaled: npt.NDArray[np.float64] = novelty.astype(np.float64) / thresholds
        return scaled

    def get_threshold(self, class_id: int) -> float:
        """Give the novelty above which an image predicted as this class is refused."""
        return self.threshold if self.class_thresholds is None else self.class_thresholds[class_id]


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

    def count_class_thresholds(self) -> list[int]:
        """Count the thresholds in each list that has one for each class."""
        lists = list((self.prediction_sets.class_thresholds or {}).values())
        if self.novelty is not None and self.novelty.class_thresholds is not None:
            lists.append(self.novelty.class_thresholds)
        return [len(thresholds) for thresholds in lists]
