"""Explanations: what mattered in an image, as a heat map."""

from collections.abc import Generator

import numpy as np

from fashion_api.images import Images
from fashion_api.inference.classifier import Predictions
from fashion_api.inference.occlusion import VARIANTS, cover, map_heat
from fashion_api.pictures.resizing import choose_resize
from fashion_api.service.limits import find_max_explained
from fashion_api.service.service import Service
from fashion_api.wire.json_body import check_json
from fashion_api.wire.operation import Job, JobSteps, Operation, Reply, RequestHead
from fashion_api.wire.prediction_request import read_images
from fashion_api.wire.predictions import identify_model, write_json
from fashion_api.wire.validation import wrong

_DECIMALS = 4


def _read_images(service: Service, _head: RequestHead, body: bytes) -> JobSteps:
    model = service.model
    settings = service.settings
    if settings.max_queue_size < VARIANTS:
        most = f"and FASHION_MAX_QUEUE_SIZE is {settings.max_queue_size}"
        raise wrong("", f"nothing is explained here: an image takes {VARIANTS} of the queue, {most}")
    images, _ = yield from read_images(
        body,
        model.input,
        max_images=find_max_explained(settings, model.input),
        resize=choose_resize(settings, model.input),
    )
    variants = yield from _cover_all(images)

    def write(predictions: Predictions) -> Reply:
        probabilities = predictions.probabilities.reshape(len(images), VARIANTS, -1)
        explanations = []
        for found in probabilities:
            class_id = int(found[0].argmax())
            heat = map_heat(found[:, class_id], height=model.input.height, width=model.input.width)
            explanations.append(
                {
                    "label": model.labels[class_id],
                    "class_id": class_id,
                    "probability": float(found[0, class_id]),
                    "heat_map": heat.round(_DECIMALS).tolist(),
                }
            )
        return write_json({"model": identify_model(model), "explanations": explanations})

    return Job(variants, write)


def _cover_all(images: Images) -> Generator[None, None, Images]:
    variants: list[Images] = []
    for image in images:
        variants.append(cover(image))
        yield
    return np.concatenate(variants)


EXPLAIN_IMAGES = Operation("POST", "/api/v1/explanations", _read_images, check_json, is_prediction=False)
