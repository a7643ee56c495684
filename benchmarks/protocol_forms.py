"""The forms in which images are sent by the inference protocols, and what a right answer to each is."""

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import grpc
import numpy as np
import numpy.typing as npt

from benchmarks.compiled_load import Burst, Rpc, run_h2load, run_wrk
from benchmarks.connection import Address
from benchmarks.contenders.recorded import Recorded
from benchmarks.measure import Bench
from benchmarks.servers import HOST, ContenderError
from fashion_api.images import Images
from fashion_api.inference.onnx_engine import OnnxClassifier
from fashion_api.rpc.messages.open_inference_pb2 import ModelInferRequest, ModelInferResponse

MODEL: Final = "fashion"
"""What all call the model."""
V2_BINARY, V2_BINARY_32, V2_JSON, PREDICT, GRPC = "v2-binary-1", "v2-binary-32", "v2-json", "predict", "grpc"
TITLES: Mapping[str, str] = {
    V2_BINARY: "V2 binary, 1 image",
    V2_BINARY_32: "V2 binary, 32 images",
    V2_JSON: "V2 JSON, 1 image",
    PREDICT: "`:predict`, 1 row of floats",
    GRPC: "gRPC raw, 1 image",
}

Probabilities = npt.NDArray[np.float32]
_METHOD: Final = "/inference.GRPCInferenceService/ModelInfer"
_HEADER_LENGTH: Final = "inference-header-content-length"
_TOLERANCE: Final = 1e-5
_JSON_SLACK: Final = 0.1
"""How much the sizes of answers may differ: an image has other digits in another batch."""
_TIMEOUT_S: Final = 30
MANY: Final = 32
"""The images of a large request."""


@dataclass(frozen=True)
class Sample:
    """Images that are sent together, and what the engine alone makes of them."""

    images: Images
    probabilities: Probabilities


def make_samples(bench: Bench) -> dict[str, list[Sample]]:
    """Make what each form sends: single images, or many, which go round the images."""
    engine = OnnxClassifier(bench.model.onnx.read_bytes(), threads=1)
    images = bench.inputs.images
    single = [images[index : index + 1] for index in range(len(images))]
    many = [np.roll(images, -start, axis=0)[:MANY] for start in range(0, len(images), MANY // 4)]
    return {
        form: [Sample(each, engine.classify(each).probabilities) for each in (many if form == V2_BINARY_32 else single)]
        for form in TITLES
    }


class Calls(Protocol):
    """The requests of a form, to a running server."""

    def verify(self) -> Recorded:
        """Send each once, and hold the answers against the engine's own; gives the first answer.

        Raises:
            ContenderError: there is none, or a wrong one.
        """

    def run(self, concurrency: int, seconds: float) -> Burst:
        """Keep so many under way, after `verify`; see `run_wrk`."""


class _HttpRequest:
    """A request over HTTP."""

    def __init__(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        self.path, self.headers, self.body = path, headers, body

    def write(self) -> bytes:
        """Write it as it goes over the wire."""
        fields = {"Host": HOST, **self.headers, "Content-Length": str(len(self.body))}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


class HttpCalls:
    """Those of a form over HTTP.

    Args:
        address: of the server.
        form: the form's name.
        samples: what each of them sends.
        is_constant: whether the server answers all with the same, so that only the status can be looked at.
    """

    def __init__(self, address: Address, form: str, samples: Sequence[Sample], *, is_constant: bool = False) -> None:
        self._address = address
        self._form = form
        write, self._read = _HTTP[form]
        self._requests = [write(sample.images) for sample in samples]
        self._samples = samples
        self._is_constant = is_constant
        self._sizes = 0, 0

    def verify(self) -> Recorded:
        """See `Calls`."""
        answers = [_post(self._address, request) for request in self._requests]
        sizes = [len(answer.body) for answer in answers]
        slack = _JSON_SLACK if self._form in (V2_JSON, PREDICT) else 0
        self._sizes = int(min(sizes) * (1 - slack)), int(max(sizes) * (1 + slack))
        if not self._is_constant:
            for answer, sample in zip(answers, self._samples, strict=True):
                _check(self._read, answer, sample)
        return answers[0]

    def run(self, concurrency: int, seconds: float) -> Burst:
        """See `Calls`."""
        requests = [request.write() for request in self._requests]
        return run_wrk(self._address, requests, body_bytes=self._sizes, concurrency=concurrency, seconds=seconds)


class GrpcCalls:
    """Those of gRPC; under load, all send the first of the samples."""

    def __init__(self, address: Address, samples: Sequence[Sample], *, is_constant: bool = False) -> None:
        self._address = address
        self._messages = [_write_message(sample.images) for sample in samples]
        self._samples = samples
        self._is_constant = is_constant
        self._size = 0

    def verify(self) -> Recorded:
        """See `Calls`."""
        try:
            with grpc.insecure_channel(f"{self._address[0]}:{self._address[1]}") as channel:
                call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)
                answers = [Recorded({}, call(message, timeout=_TIMEOUT_S)) for message in self._messages]
        except grpc.RpcError as error:
            raise ContenderError(f"answers a gRPC call with {error}") from None
        if not self._is_constant:
            for answer, sample in zip(answers, self._samples, strict=True):
                _check(_read_message, answer, sample)
        self._size = len(answers[0].body)
        return answers[0]

    def run(self, concurrency: int, seconds: float) -> Burst:
        """See `Calls`."""
        rpc = Rpc(_METHOD, self._messages[0], self._size)
        return run_h2load(self._address, rpc, concurrency=concurrency, seconds=seconds)


def _post(address: Address, request: _HttpRequest) -> Recorded:
    connection = http.client.HTTPConnection(*address, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", request.path, request.body, dict(request.headers))
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ContenderError(f"gives no answer: {error}") from None
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        shown = body[:200].decode(errors="replace")
        raise ContenderError(f"answers {request.path} with status {response.status}: {shown}")
    kept = ("content-type", _HEADER_LENGTH)
    return Recorded({name: value for name in kept if (value := response.headers[name])}, body)


def _check(read: Callable[[Recorded], Probabilities], answer: Recorded, sample: Sample) -> None:
    try:
        probabilities = read(answer)
    except (LookupError, ValueError, TypeError) as error:
        raise ContenderError(f"gives an answer that cannot be read ({error!r}): {answer.body[:200]!r}") from None
    expected = sample.probabilities
    if probabilities.size != expected.size or not np.allclose(probabilities.ravel(), expected.ravel(), atol=_TOLERANCE):
        raise ContenderError(f"gives wrong probabilities: {probabilities.ravel()[:10].tolist()}")


def _write_binary(images: Images) -> _HttpRequest:
    """Write what public clients send by default: the tensors after the JSON, in and out."""
    described = {**_describe_tensor(images), "parameters": {"binary_data_size": images.nbytes}}
    outputs = [{"name": "probabilities", "parameters": {"binary_data": True}}]
    head = _write_json({"inputs": [described], "outputs": outputs})
    return _HttpRequest(f"/v2/models/{MODEL}/infer", {_HEADER_LENGTH: str(len(head))}, head + images.tobytes())


def _read_binary(answer: Recorded) -> Probabilities:
    size = int(answer.headers[_HEADER_LENGTH])
    (output,) = json.loads(answer.body[:size])["outputs"]
    if output["parameters"]["binary_data_size"] != len(answer.body) - size:
        raise ValueError("the tensor has another size than is said")
    return np.frombuffer(answer.body[size:], "<f4")


def _write_v2_json(images: Images) -> _HttpRequest:
    tensor = {**_describe_tensor(images), "data": images.ravel().tolist()}
    body = _write_json({"inputs": [tensor], "outputs": [{"name": "probabilities"}]})
    return _HttpRequest(f"/v2/models/{MODEL}/infer", {"content-type": "application/json"}, body)


def _read_v2_json(answer: Recorded) -> Probabilities:
    (output,) = json.loads(answer.body)["outputs"]
    return np.array(output["data"], np.float32)


def _write_rows(images: Images) -> _HttpRequest:
    """Write rows as TensorFlow's own tutorial for this data set does: floats from 0 to 1."""
    body = json.dumps({"signature_name": "serving_default", "instances": (images / 255.0).tolist()}).encode()
    return _HttpRequest(f"/v1/models/{MODEL}:predict", {"content-type": "application/json"}, body)


def _read_rows(answer: Recorded) -> Probabilities:
    return np.array(json.loads(answer.body)["predictions"], np.float32)


def _write_message(images: Images) -> bytes:
    request = ModelInferRequest(model_name=MODEL, raw_input_contents=[images.tobytes()])
    request.inputs.add(name="image", datatype="UINT8", shape=_add_channel(images))
    request.outputs.add(name="probabilities")
    message: bytes = request.SerializeToString()
    return message


def _read_message(answer: Recorded) -> Probabilities:
    (content,) = ModelInferResponse.FromString(answer.body).raw_output_contents
    return np.frombuffer(content, "<f4")


def _describe_tensor(images: Images) -> dict[str, Any]:
    return {"name": "image", "shape": _add_channel(images), "datatype": "UINT8"}


def _add_channel(images: Images) -> list[int]:
    return [*images.shape, 1]


def _write_json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


_HTTP: Mapping[str, tuple[Callable[[Images], _HttpRequest], Callable[[Recorded], Probabilities]]] = {
    V2_BINARY: (_write_binary, _read_binary),
    V2_BINARY_32: (_write_binary, _read_binary),
    V2_JSON: (_write_v2_json, _read_v2_json),
    PREDICT: (_write_rows, _read_rows),
}
