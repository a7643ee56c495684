"""The search for nonsense that the service accepts as an article, with a high probability."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.evaluation_record import NonsenseScore
from fashion_api.inference.loading import LoadedModel
from fashion_api.training.evaluate.acceptance import find_thresholds, scale_novelty
from fashion_api.training.evaluate.stages import BeginPart, begin_nothing
from fashion_api.training.synthetic.nonsense import climb, render

QUERIES = 2000
"""Images classified in the search for one class."""
SEEDS = (0, 1, 2)
PROBABILITY = 0.9
"""The least probability of a class that counts as reached."""
_LEAST = 1e-9  # limits of the logarithms


def measure_nonsense(
    model: LoadedModel,
    *,
    queries: int = QUERIES,
    seeds: Sequence[int] = SEEDS,
    begin_part: BeginPart = begin_nothing,
) -> NonsenseScore | None:
    """Search for accepted nonsense of every class, once for each seed; `None` for a model without thresholds."""
    if find_thresholds(model) is None:
        return None
    reached = []
    for seed in seeds:
        begin_part(f"search {seed + 1}")
        found = [find_nonsense(model, class_id, queries=queries, seed=seed) for class_id in range(len(model.labels))]
        reached.append(tuple(label for label, image in zip(model.labels, found, strict=True) if image is not None))
    return NonsenseScore(queries=queries, probability=PROBABILITY, reached=tuple(reached))


def find_nonsense(model: LoadedModel, class_id: int, *, queries: int, seed: int) -> Images | None:
    """Search for one image, uint8[height, width], that is accepted as this class; `None` if the search fails."""

    def score(images: Images) -> npt.NDArray[np.float64]:
        return score_answers(model, model.classifier.classify(images), class_id)

    genome, best = climb(score, shape=model.input.shape, queries=queries, rng=np.random.default_rng((seed, class_id)))
    image: Images = render(genome[None], model.input.shape)[0]
    return image if best >= 0 else None


def score_answers(model: LoadedModel, answers: Predictions, class_id: int) -> npt.NDArray[np.float64]:
    """Rate n images: 0 for those accepted as this class with the probability, and less the further they are from it."""
    probability = answers.probabilities[:, class_id].astype(np.float64)
    scores: npt.NDArray[np.float64] = np.minimum(np.log(np.maximum(probability, _LEAST) / PROBABILITY), 0)
    if (thresholds := find_thresholds(model)) is not None:
        novelty = scale_novelty(answers, thresholds)
        scores += np.minimum(-np.log(np.maximum(novelty, _LEAST)), 0)
    return scores
