"""The examples of the OpenAPI document: the first test image of Fashion-MNIST (an ankle boot), and what it is answered.

Fashion-MNIST is © 2017 Zalando SE, MIT licence.
"""

import base64
from collections.abc import Sequence
from typing import Final

import numpy as np

from fashion_api.images import Images
from fashion_api.inference.loading import LoadedModel
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.decoding import decode_image
from fashion_api.pictures.encoding import encode_png
from fashion_api.wire.predictions import JsonObject, identify_model

IMAGE_BASE64: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcCAAAAABXZoBIAAABUElEQVR42t3Su0rDYBgG4Pf78ydpDk0roQcVPAylaJFOoljciu7i"
    "4uCiixfgfQkOTl6Bo5Pgoqhoiya2aWqb/AcHQdA70G98H953+oB/fQYBNhoA+xETw/y+JzUwxd5vhMJ25xgAqocJwH8OivWVXuMs"
    "cu7D4PFXkwlvnwpFYtTKY/6NBEYwFE56L06hJ1WaWYH3hQQNpQ2Jg/rLqPzWz7kJ5jW+UINxgsRR+yEsO8OiGueksQsOMGhSCpjb"
    "c259O8y0CzmVqeqAG1IBGpWl5mw2LAemrRbN91yxDyNpcYnaouc5y24+YiVHuOOp9VxyY38mrYcc3TlRMaRI/DrZMfONdDSoArFy"
    "bMF3jm+eE5YZlFiqSI4y67VViyF1J6M+v9pc60AkUTSwKGy6gW5f33VtDfE0LBIAf6O5VQk80iq6ubyYAOcLr0kipqd/65k+AWKC"
    "ff9NOm1OAAAAAElFTkSuQmCC"
)
IMAGE_PNG: Final = base64.b64decode(IMAGE_BASE64)
IMAGE_ROWS: Final[list[list[int]]] = decode_image(IMAGE_PNG, height=28, width=28).tolist()


def draw_image(spec: InputSpec) -> Images:
    """Draw the image in a model's size, by nearest neighbour; in colour, its channels are equal."""
    greys = _draw_greys(spec)
    return greys if spec.channels == 1 else np.stack([greys] * spec.channels, axis=-1)


def _draw_greys(spec: InputSpec) -> Images:
    image = np.array(IMAGE_ROWS, np.uint8)
    rows, columns = (np.arange(length) * 28 // length for length in spec.size)
    return image[np.ix_(rows, columns)]


def encode_image(spec: InputSpec) -> str:
    """Give the image in a model's size as a PNG in base64."""
    return base64.b64encode(encode_png(draw_image(spec))).decode()


def describe_prediction(labels: Sequence[str]) -> JsonObject:
    """Give a `models.Prediction` of a model with these labels: sure of the last one."""
    last = len(labels) - 1
    probabilities = dict.fromkeys(labels, 0.0) | {labels[0]: 0.02, labels[last]: 0.98}
    return {
        "label": labels[last],
        "class_id": last,
        "probability": 0.98,
        "probabilities": probabilities,
        "calibrated": True,
        "prediction_set": [labels[last]],
        "novelty": 0.02,
        "accepted": True,
        "reason": None,
        "reasons": [],
        "route": "direct",
    }


def describe_labelled_prediction(model: LoadedModel) -> JsonObject:
    """Give a `models.LabelledPrediction`."""
    prediction = describe_prediction(model.labels)
    return {
        "index": 0,
        "actual": prediction["label"],
        "correct": True,
        "prediction": prediction,
        "model": identify_model(model),
    }


def describe_labelled_image(labels: Sequence[str]) -> JsonObject:
    """Give a `models.LabelledImage`."""
    return {"index": 0, "label": labels[-1], "class_id": len(labels) - 1}


def describe_preparation(spec: InputSpec) -> JsonObject:
    """Give a `models.Preparation`."""
    return {
        "image": encode_image(spec),
        "source": {"width": 4000, "height": 3000},
        "steps": {"upright": True, "turn": 0, "crop": [0.0, 0.0, 1.0, 1.0], "inverted": True, "fit": "contain"},
    }


def describe_explanation(labels: Sequence[str], spec: InputSpec) -> JsonObject:
    """Give a `models.Explanation`: what is light in the image mattered."""
    heat = (_draw_greys(spec) / 1000).tolist()
    return {"label": labels[-1], "class_id": len(labels) - 1, "probability": 0.98, "heat_map": heat}


def describe_listed_image(labels: Sequence[str]) -> JsonObject:
    """Give a `models.ListedImage`, with what the model sees."""
    found = {"predicted": labels[-1], "correct": True, "accepted": True, "probability": 0.98, "novelty": 0.02}
    return {**describe_labelled_image(labels), **found}


def describe_confusions(model: LoadedModel) -> JsonObject:
    """Give a `models.ConfusionMatrix` of a model that makes no mistake with ten images of each class."""
    classes = len(model.labels)
    return {
        "labels": list(model.labels),
        "matrix": (10 * np.eye(classes, dtype=int)).tolist(),
        "refused": [0] * classes,
        "total": 10 * classes,
        "model": identify_model(model),
    }
