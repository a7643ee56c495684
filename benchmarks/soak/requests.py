"""Requests of every kind, with the status that each must get."""

import json

from benchmarks.soak.balancer import write_get

INDEX = write_get("/api/v1/test-images/7/prediction")
PROBES = (write_get("/livez"), write_get("/readyz"))


def write_post(path: str, body: bytes, kind: str) -> bytes:
    """Write a POST request out."""
    head = f"POST {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _write_array(images: int) -> bytes:
    image = [[(row * column) % 256 for column in range(28)] for row in range(28)]
    return write_post("/api/v1/predictions", json.dumps({"images": [image] * images}).encode(), "application/json")


ARRAY = _write_array(1)

MIXED = {
    INDEX: 200,
    ARRAY: 200,
    _write_array(8): 200,
    write_get("/predict?test_image_num=3"): 200,
    write_get("/api/v1/test-images?limit=5"): 200,
    write_get("/api/v1/test-images/7/image"): 200,
    write_get("/api/v1/model"): 200,
    write_get("/livez"): 200,
    write_get("/openapi.json"): 200,
    write_get("/nothing"): 404,
    write_get("/api/v1/test-images/99999999"): 404,
    write_post("/api/v1/predictions", b'{"images": [[', "application/json"): 422,
    write_post("/api/v1/predictions/upload", b"no picture", "image/png"): 415,
}
"""Right ones and wrong ones, and the status of each answer."""
