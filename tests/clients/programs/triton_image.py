"""Classifies picture files as sample programs of `tritonclient` do, which learn all of the model from the service.

The size of an image, its channels and its type come from the model's metadata and configuration; a picture is resized
to them, and the three most probable classes are asked for, over HTTP, gRPC and a gRPC stream. Usage: see served.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.http
from numpy.typing import NDArray
from PIL import Image
from served import Served, report
from tritonclient.utils import triton_to_np_dtype

TOP = 3
ENLARGED = 4
BATCH = 16


@dataclass(frozen=True)
class Model:
    """What the metadata and the configuration say of a model of images."""

    name: str
    input: str
    output: str
    datatype: str
    layout: str
    height: int
    width: int
    channels: int
    largest_batch: int

    @classmethod
    def read(cls, metadata: Mapping[str, Any], config: Mapping[str, Any]) -> "Model":
        """Read what a program has to know, and refuse a model that it cannot use."""
        (taken,), (given,), (described,) = metadata["inputs"], metadata["outputs"], config["input"]
        assert (given["datatype"], taken["name"]) == ("FP32", described["name"])
        # One number a class, for each of a batch; a size of 1 in between would not matter.
        assert sum(int(size) > 1 for size in given["shape"][1:]) == 1
        assert config["max_batch_size"] > 0
        _, *sizes = (int(size) for size in taken["shape"])
        assert sizes == [int(size) for size in described["dims"]]
        layout = described["format"]
        height, width, channels = sizes if layout == "FORMAT_NHWC" else (*sizes[1:], sizes[0])
        return cls(
            metadata["name"],
            taken["name"],
            given["name"],
            taken["datatype"],
            layout,
            height,
            width,
            channels,
            config["max_batch_size"],
        )

    def prepare(self, file: bytes) -> NDArray[Any]:
        """Turn a picture file into what the model takes."""
        picture = Image.open(BytesIO(file)).convert("L" if self.channels == 1 else "RGB")
        resized = np.asarray(picture.resize((self.width, self.height), Image.Resampling.BOX))
        pixels = resized.reshape(self.height, self.width, self.channels).astype(triton_to_np_dtype(self.datatype))
        return pixels if self.layout == "FORMAT_NHWC" else pixels.transpose(2, 0, 1)


def classify_http(served: Served, files: list[bytes]) -> list[list[str]]:
    """Ask over HTTP."""
    client = tritonclient.http.InferenceServerClient(served.address)
    model = Model.read(client.get_model_metadata(served.model), client.get_model_config(served.model))
    inputs, outputs = _write(tritonclient.http, model, files)
    given = client.infer(model.name, inputs, outputs=outputs)
    client.close()
    return _read(given, model)


def classify_grpc(served: Served, files: list[bytes]) -> list[list[str]]:
    """Ask over gRPC."""
    client = tritonclient.grpc.InferenceServerClient(served.grpc_address)
    model = _ask_grpc(client, served.model)
    inputs, outputs = _write(tritonclient.grpc, model, files)
    given = client.infer(model.name, inputs, outputs=outputs)
    client.close()
    return _read(given, model)


def classify_stream(served: Served, files: list[bytes]) -> list[list[str]]:
    """Ask over a gRPC stream, for one picture after the other."""
    client = tritonclient.grpc.InferenceServerClient(served.grpc_address)
    model = _ask_grpc(client, served.model)
    answers: SimpleQueue[tuple[Any, Any]] = SimpleQueue()
    client.start_stream(lambda result, error: answers.put((result, error)))
    for number, file in enumerate(files):
        inputs, outputs = _write(tritonclient.grpc, model, [file])
        client.async_stream_infer(model.name, inputs, outputs=outputs, request_id=str(number))
    client.stop_stream()
    client.close()
    found = []
    for _ in files:
        result, error = answers.get_nowait()
        assert error is None, error
        found += _read(result, model)
    return found


def _ask_grpc(client: Any, name: str) -> Model:
    metadata = client.get_model_metadata(name, as_json=True)
    return Model.read(metadata, client.get_model_config(name, as_json=True)["config"])


def _write(module: Any, model: Model, files: list[bytes]) -> tuple[list[Any], list[Any]]:
    assert len(files) <= model.largest_batch
    batch = np.stack([model.prepare(file) for file in files])
    taken = module.InferInput(model.input, list(batch.shape), model.datatype)
    taken.set_data_from_numpy(batch)
    return [taken], [module.InferRequestedOutput(model.output, class_count=TOP)]


def _read(given: Any, model: Model) -> list[list[str]]:
    return [[text.decode() for text in row] for row in given.as_numpy(model.output)]


def classify_pictures(classify: Callable[[Served, list[bytes]], list[list[str]]], served: Served) -> None:
    """The classes of enlarged pictures are those that the native API gives for the images."""
    found = classify(served, [_draw(image) for image in served.images[:BATCH]])
    for texts, probabilities in zip(found, served.probabilities[:BATCH], strict=True):
        best = np.argsort(-probabilities, kind="stable")[:TOP]
        assert [int(text.split(":")[1]) for text in texts] == best.tolist()
        np.testing.assert_allclose([float(text.split(":")[0]) for text in texts], probabilities[best], atol=2e-6)


def _draw(image: NDArray[np.uint8]) -> bytes:
    """Give a PNG in which each pixel of an image is a square."""
    file = BytesIO()
    Image.fromarray(np.kron(image[..., 0], np.ones((ENLARGED, ENLARGED), np.uint8))).save(file, "PNG")
    return file.getvalue()


if __name__ == "__main__":
    ways = (classify_http, classify_grpc, classify_stream)
    report((way.__name__, partial(classify_pictures, way)) for way in ways)
