"""The model behind the public servers that were asked."""

import numpy as np

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from tests.reference.table import IMAGE, PROBABILITIES


class StandIn:
    """Gives the one image of the table the probabilities that the servers gave it, and any other image none of them."""

    def classify(self, images: Images) -> Predictions:
        same = (images.reshape(-1, *IMAGE.shape[:2]) == IMAGE[..., 0]).all(axis=(1, 2))
        return Predictions(np.where(same[:, None], PROBABILITIES, np.float32(0.1)).astype(np.float32))
