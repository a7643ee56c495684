"""Which images the service accepts: those whose novelty is at most the threshold of the predicted class."""

import numpy as np
import numpy.typing as npt

from fashion_api.inference.calibration import NoveltyThresholds
from fashion_api.inference.classifier import Predictions


def scale_novelty(answers: Predictions, thresholds: NoveltyThresholds) -> npt.NDArray[np.float64]:
    """Divide the novelty of n images by the thresholds of the predicted classes, as the service does: float64[n].

    Raises:
        ValueError: the answers have no novelty.
    """
    if answers.novelty is None:
        raise ValueError("the model has no novelty output")
    by_class = np.array([thresholds.get_threshold(class_id) for class_id in range(answers.probabilities.shape[1])])
    scaled: npt.NDArray[np.float64] = answers.novelty.astype(np.float64) / by_class[answers.class_ids]
    return scaled


def compute_accepted(answers: Predictions, thresholds: NoveltyThresholds | None) -> float | None:
    """Compute the share of the images that the service accepts; `None` without thresholds."""
    return None if thresholds is None else float((scale_novelty(answers, thresholds) <= 1).mean())
