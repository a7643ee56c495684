"""Which images the service accepts: those whose novelty is at most the threshold of the predicted class."""

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel


def find_thresholds(model: LoadedModel) -> NoveltyThresholds | None:
    """Give the thresholds of a model's novelty; `None` for one that scores none."""
    return None if model.calibration is None else model.calibration.novelty


def scale_novelty(answers: Predictions, thresholds: NoveltyThresholds) -> npt.NDArray[np.float64]:
    """Divide the novelty of n images by the thresholds of the predicted classes, as the service does: float64[n].

    Raises:
        ValueError: the answers have no novelty.
    """
    if answers.novelty is None:
        raise ValueError("the model has no novelty output")
    return thresholds.scale(answers.novelty, answers.class_ids)


def compute_accepted(answers: Predictions, thresholds: NoveltyThresholds | None) -> float | None:
    """Compute the share of the images that the service accepts; `None` without thresholds."""
    return None if thresholds is None else float((scale_novelty(answers, thresholds) <= 1).mean())
