"""What every peer answers: the same information as the service, image by image."""

import numpy as np
import numpy.typing as npt

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

Reply = dict[str, str | int | float | dict[str, float]]


def describe(probabilities: npt.NDArray[np.float32]) -> list[Reply]:
    """Write out each row of float32[n, classes], with the same information as the service's own answers."""
    return [
        {
            "label": LABELS[class_id],
            "class_id": class_id,
            "probability": row[class_id],
            "probabilities": dict(zip(LABELS, row, strict=True)),
        }
        for class_id, row in zip(probabilities.argmax(axis=1).tolist(), probabilities.tolist(), strict=True)
    ]
