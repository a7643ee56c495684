"""Requests of every kind, with the status that each must get."""

import json

from benchmarks.inputs import get, post

INDEX = get("/api/v1/test-images/7/prediction")
PROBES = (get("/livez"), get("/readyz"))


def _write_array(images: int) -> bytes:
    image = [[(row * column) % 256 for column in range(28)] for row in range(28)]
    return post("/api/v1/predictions", "application/json", json.dumps({"images": [image] * images}).encode())


ARRAY = _write_array(1)

MIXED = {
    INDEX: 200,
    ARRAY: 200,
    _write_array(8): 200,
    get("/predict?test_image_num=3"): 200,
    get("/api/v1/test-images?limit=5"): 200,
    get("/api/v1/test-images/7/image"): 200,
    get("/api/v1/model"): 200,
    get("/livez"): 200,
    get("/openapi.json"): 200,
    get("/nothing"): 404,
    get("/api/v1/test-images/99999999"): 404,
    post("/api/v1/predictions", "application/json", b'{"images": [['): 422,
    post("/api/v1/predictions/upload", "image/png", b"no picture"): 415,
}
"""Right ones and wrong ones, and the status of each answer."""
