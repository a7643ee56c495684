"""What all contenders are given: one model in both its forms, and the same images in every form of request."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.connection import Request
from benchmarks.servers import HOST, ROOT
from fashion_api.data.dataset import DataSource
from fashion_api.images import Images
from fashion_api.inference.loading import compile_model
from fashion_api.inference.manifest import read_manifest
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.pictures.encoding import encode_png
from fashion_api.settings import Settings

CACHE = ROOT / "benchmarks" / ".cache"
FORMS = ("index", "array", "base64", "multipart", "raw")
_IMAGES = 64
_BOUNDARY = b"benchmark-boundary"


@dataclass(frozen=True)
class Model:
    """The model under test."""

    h5: Path
    onnx: Path
    pixel_scale: float
    """What a pixel is divided by before the Keras model sees it."""
    data_dir: Path
    """Where the test images are."""


@dataclass(frozen=True)
class Inputs:
    """The images, and the classes that the engine alone sees in them."""

    images: Images
    class_ids: tuple[int, ...]

    def in_form(self, form: str) -> list[Request]:
        """One request an image."""
        build = _BUILDERS[form]
        return [
            Request(build(index, image), (class_id,))
            for index, (image, class_id) in enumerate(zip(self.images, self.class_ids, strict=True))
        ]

    def in_batches(self, size: int) -> list[Request]:
        """JSON requests of `size` images each, which go round the images."""
        starts = range(0, len(self.images), 8)
        picks = [[(start + offset) % len(self.images) for offset in range(size)] for start in starts]
        return [
            Request(_json_request(self.images[pick].tolist()), tuple(self.class_ids[i] for i in pick)) for pick in picks
        ]


def prepare_model(path: Path | None) -> Model:
    """Have the model trained, if none is given, and compiled; both are kept in the benchmark's cache."""
    h5 = path or CACHE / "tutorial.h5"
    if path is None and not h5.is_file():
        sys.stderr.write("training the tutorial's model\n")
        train = ["train", "--recipe", "tutorial", "--seed", "0", "--model-path", str(h5)]
        subprocess.run([sys.executable, "-m", "fashion_api", *train], check=True, cwd=ROOT)  # noqa: S603  # our own
    h5 = h5.resolve()
    onnx = compile_model(Settings(model_path=h5, cache_dir=CACHE))
    manifest = read_manifest(h5)
    low, high = manifest.input.pixel_range if manifest else (0.0, 1.0)
    return Model(h5, onnx, 255 / (high - low), DataSource.from_settings(Settings()).find("test"))


def load_inputs(model: Model) -> Inputs:
    """Take the first test images, and have the engine classify them one by one."""
    images = DataSource.from_settings(Settings()).load("test").images[:_IMAGES]
    return Inputs(images, classify_each(model, images))


def classify_each(model: Model, images: Images) -> tuple[int, ...]:
    """Have the engine classify images one by one."""
    engine = OnnxClassifier(model.onnx.read_bytes(), threads=1)
    return tuple(int(engine.classify(image[np.newaxis]).class_ids[0]) for image in images)


def get(path: str) -> bytes:
    """Write out a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\n\r\n".encode()


def post(path: str, content_type: str, body: bytes) -> bytes:
    """Write out a POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: */*\r\nContent-Type: {content_type}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def _json_request(items: Sequence[object]) -> bytes:
    return post("/api/v1/predictions", "application/json", json.dumps({"images": items}).encode())


def _index_request(index: int, _: Images) -> bytes:
    return get(f"/api/v1/test-images/{index}/prediction")


def _array_request(_: int, image: Images) -> bytes:
    return _json_request([image.tolist()])


def _base64_request(_: int, image: Images) -> bytes:
    return _json_request([base64.b64encode(encode_png(image)).decode()])


def _multipart_request(index: int, image: Images) -> bytes:
    disposition = f'Content-Disposition: form-data; name="file"; filename="{index}.png"'.encode()
    lines = (
        b"--" + _BOUNDARY,
        disposition,
        b"Content-Type: image/png",
        b"",
        encode_png(image),
        b"--" + _BOUNDARY + b"--",
        b"",
    )
    content_type = f"multipart/form-data; boundary={_BOUNDARY.decode()}"
    return post("/api/v1/predictions/upload", content_type, b"\r\n".join(lines))


def _raw_request(_: int, image: Images) -> bytes:
    return post("/api/v1/predictions/upload", "image/png", encode_png(image))


def _open_inference_request(_: int, image: Images) -> bytes:
    """The Open Inference Protocol, version 2, which MLServer speaks."""
    tensor = {"name": "images", "shape": [1, *image.shape], "datatype": "UINT8", "data": image.ravel().tolist()}
    return post("/v2/models/fashion/infer", "application/json", json.dumps({"inputs": [tensor]}).encode())


_BUILDERS: Mapping[str, Callable[[int, Images], bytes]] = {
    "index": _index_request,
    "array": _array_request,
    "base64": _base64_request,
    "multipart": _multipart_request,
    "raw": _raw_request,
    "open inference": _open_inference_request,
}
