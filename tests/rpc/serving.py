"""A gRPC server with fake parts, in the test's process, and clients of it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import numpy as np
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from fashion_api.images import Images
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel
from fashion_api.rpc.messages import POOL
from fashion_api.rpc.messages import open_inference_pb2 as v2
from fashion_api.rpc.messages import tensorflow_pb2 as tf
from fashion_api.rpc.messages import tensorflow_serving_pb2 as tfs
from fashion_api.rpc.server import CallServer
from fashion_api.service.following import ModelFollower
from fashion_api.service.service import make_batcher
from tests.fakes import fake_follower, fake_service
from tests.raw_http import LIMIT_S

AnyCall: TypeAlias = "grpc.aio.UnaryUnaryCall[Any, Any]"
AnyStream: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"

V2 = "inference.GRPCInferenceService/"
INFER = V2 + "ModelInfer"
STREAM = V2 + "ModelStreamInfer"
PREDICTION = "tensorflow.serving.PredictionService/"
PREDICT = PREDICTION + "Predict"
MODEL_STATUS = "tensorflow.serving.ModelService/GetModelStatus"
NAME = "fake"
"""Of the fake model."""


def run(test: Coroutine[Any, Any, None]) -> None:
    """Run a test on an event loop of its own; it fails where it takes too long."""
    asyncio.run(asyncio.wait_for(test, LIMIT_S))


class Server:
    """A running server."""

    def __init__(self, calls: CallServer, follower: ModelFollower) -> None:
        self.calls = calls
        self.follower = follower
        self.address = calls.address
        self.port = int(calls.address.rpartition(":")[2])

    def connect(self, **options: object) -> grpc.aio.Channel:
        """Make a connection of its own."""
        settings = {"grpc.use_local_subchannel_pool": 1, **options}
        return grpc.aio.insecure_channel(self.address, options=tuple(settings.items()))


@asynccontextmanager
async def serve(
    classifier: Classifier | None = None, *, model: LoadedModel | None = None, **changes: object
) -> AsyncIterator[Server]:
    """A server with a fake model; `changes` are settings by field name."""
    service = fake_service(classifier, model=model, test_set=None, **changes)
    service.batcher = make_batcher(service.model.classifier, service.settings)
    follower = fake_follower(service)
    most = service.settings.max_connections
    calls = CallServer(follower, "127.0.0.1:0", max_connections=most, last_calls_s=0.01)
    await calls.start()
    try:
        yield Server(calls, follower)
    finally:
        await calls.stop()
        await follower.aclose()


@asynccontextmanager
async def connect(
    classifier: Classifier | None = None, *, model: LoadedModel | None = None, **changes: object
) -> AsyncIterator["Client"]:
    """A client of a server with a fake model."""
    async with serve(classifier, model=model, **changes) as server, server.connect() as channel:
        yield Client(channel, server)


Metadata = Sequence[tuple[str, str]]


class Client:
    """Calls methods by their names."""

    def __init__(self, channel: grpc.aio.Channel, server: Server) -> None:
        self.channel = channel
        self.server = server

    def start(  # noqa: PLR0913  # gRPC's own options
        self,
        method: str,
        request: Message | bytes,
        *,
        timeout: float | None = None,
        metadata: Metadata = (),
        compression: grpc.Compression | None = None,
        wait_for_ready: bool = False,
    ) -> AnyCall:
        """Start a call; methods are named as in `V2 + "ServerLive"`."""
        service, _, name = method.partition("/")
        reply = GetMessageClass(POOL.FindServiceByName(service).methods_by_name[name].output_type)
        call: Any = self.channel.unary_unary(f"/{method}", _write, reply.FromString)
        started: AnyCall = call(
            request,
            timeout=timeout,
            metadata=tuple(metadata),
            compression=compression,
            wait_for_ready=wait_for_ready,
        )
        return started

    def infer(self, request: v2.ModelInferRequest | bytes | None = None, *, timeout: float | None = None) -> AnyCall:
        """Ask for predictions by the Open Inference Protocol."""
        return self.start(INFER, make_request() if request is None else request, timeout=timeout)

    def predict(self, request: tfs.PredictRequest | bytes) -> AnyCall:
        """Ask for predictions as TensorFlow Serving's clients do."""
        return self.start(PREDICT, request)

    def stream(self, *, metadata: Metadata = ()) -> AnyStream:
        """Begin a stream of inferences."""
        call: Any = self.channel.stream_stream(f"/{STREAM}", _write, v2.ModelStreamInferResponse.FromString)
        started: AnyStream = call(metadata=tuple(metadata))
        return started


def _write(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


async def refuse(call: AnyCall) -> grpc.aio.AioRpcError:
    """Wait for a call that must be refused; gives the refusal."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError(f"it was answered: {answer}")


def images(*classes: int) -> Images:
    """Images in which the fake classifier sees these classes."""
    array = np.zeros((len(classes), 28, 28), np.uint8)
    array[:, 0, 0] = classes
    return array


def make_request(pixels: Images | None = None, **fields: object) -> v2.ModelInferRequest:
    """A request for the class of images, as raw bytes; `fields` are others of the request."""
    values = images(3) if pixels is None else pixels
    request = v2.ModelInferRequest(model_name=NAME, raw_input_contents=[values.tobytes()])
    request.inputs.add(name="image", datatype="UINT8", shape=[len(values), 28, 28, 1])
    for name, value in fields.items():
        setattr(request, name, value)
    return request


def read_classes(answer: v2.ModelInferResponse) -> list[int]:
    """Give the most probable class of each image."""
    values = np.frombuffer(answer.raw_output_contents[0], "<f4").reshape(answer.outputs[0].shape)
    return [int(class_id) for class_id in values.argmax(axis=1)]


def make_tensor(pixels: Images) -> tf.TensorProto:
    """A tensor of pixels from 0 to 255."""
    dims = [tf.TensorShapeProto.Dim(size=size) for size in (*pixels.shape, 1)]
    return tf.TensorProto(dtype="DT_UINT8", tensor_shape=tf.TensorShapeProto(dim=dims), tensor_content=pixels.tobytes())


def make_prediction(tensor: tf.TensorProto | None = None, signature: str = "pixels") -> tfs.PredictRequest:
    """A request for the class of images, in TensorFlow Serving's form."""
    return tfs.PredictRequest(
        model_spec=tfs.ModelSpec(name=NAME, signature_name=signature),
        inputs={"image": make_tensor(images(3)) if tensor is None else tensor},
    )
