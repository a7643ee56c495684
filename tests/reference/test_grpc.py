"""What public servers of the Open Inference Protocol were asked over gRPC, and this service's answers beside theirs.

Of the requests the table has only names; what they mean stands here.
"""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from fashion_api.rpc.messages import POOL
from tests.reference.stand_in import StandIn
from tests.reference.table import GRPC, IMAGE, LARGEST_BATCH, MODEL, GrpcCase, find_difference
from tests.rpc.serving import serve

SERVICE = "inference.GRPCInferenceService"
LIMIT_S = 30

DIFFERENCES: Mapping[str, str] = {
    "RepositoryModelLoad": "models are not loaded by callers: UNAVAILABLE, as Triton's where it controls them itself",
    "ModelInfer typed 256": "256 is no UINT8: refused, and not taken for 0",
    "ModelInfer two raws, one input": "a tensor that belongs to no input is a mistake",
    "ModelInfer timeout 1 us": "the caller's time is over before the model has computed",
    "health 'fashion'": "health is of services, and not of models",
    "reflection v1alpha": "there is reflection here",
}
"""By case, why the code differs from Triton's where that was OK or NOT_FOUND, or from that of all three servers."""

RAW = base64.b64encode(IMAGE.tobytes()).decode()
TENSOR = {"name": "image", "datatype": "UINT8", "shape": [1, 28, 28, 1]}
TYPED = {"uint_contents": IMAGE.ravel().tolist()}


def infer(*, raw: Sequence[str] = (RAW,), tensor: Mapping[str, object] | None = None, **more: object) -> dict[str, Any]:
    """Write a request for the image, with what differs."""
    asked = {"model_name": MODEL, "inputs": [TENSOR | dict(tensor or {})], "raw_input_contents": list(raw)}
    return asked | more


def make_raw(pixels: "np.ndarray[Any, Any]") -> str:
    return base64.b64encode(pixels.tobytes()).decode()


Request = tuple[str, Mapping[str, Any]]
"""A method, and its message as JSON."""

REQUESTS: Mapping[str, Request] = {
    "ServerLive": ("ServerLive", {}),
    "ModelReady": ("ModelReady", {"name": MODEL}),
    "ModelReady unknown": ("ModelReady", {"name": "nope"}),
    "ModelReady unknown version": ("ModelReady", {"name": MODEL, "version": "9"}),
    "ModelReady no name": ("ModelReady", {}),
    "ServerMetadata": ("ServerMetadata", {}),
    "ModelMetadata": ("ModelMetadata", {"name": MODEL}),
    "ModelMetadata unknown": ("ModelMetadata", {"name": "nope"}),
    "ModelMetadata version abc": ("ModelMetadata", {"name": MODEL, "version": "abc"}),
    "ModelConfig": ("ModelConfig", {"name": MODEL}),
    "ModelConfig unknown": ("ModelConfig", {"name": "nope"}),
    "ModelStatistics": ("ModelStatistics", {"name": MODEL}),
    "ModelStatistics all": ("ModelStatistics", {}),
    "RepositoryIndex": ("RepositoryIndex", {}),
    "RepositoryModelLoad": ("RepositoryModelLoad", {"model_name": MODEL}),
    "LogSettings": ("LogSettings", {}),
    "TraceSetting": ("TraceSetting", {}),
    "SystemSharedMemoryStatus": ("SystemSharedMemoryStatus", {}),
    "CudaSharedMemoryStatus": ("CudaSharedMemoryStatus", {}),
    "ModelInfer raw": ("ModelInfer", infer()),
    "ModelInfer raw, id and version": ("ModelInfer", infer(id="x1", model_version="1")),
    "ModelInfer typed": ("ModelInfer", infer(tensor={"contents": TYPED}, raw=())),
    "ModelInfer both": ("ModelInfer", infer(tensor={"contents": TYPED})),
    "ModelInfer neither": ("ModelInfer", infer(raw=())),
    "ModelInfer raw short": ("ModelInfer", infer(raw=[make_raw(IMAGE.ravel()[1:])])),
    "ModelInfer typed 256": (
        "ModelInfer",
        infer(tensor={"contents": {"uint_contents": [256, *IMAGE.ravel().tolist()[1:]]}}, raw=()),
    ),
    "ModelInfer typed, wrong field": (
        "ModelInfer",
        infer(tensor={"contents": {"fp32_contents": IMAGE.ravel().tolist()}}, raw=()),
    ),
    "ModelInfer typed in int_contents": (
        "ModelInfer",
        infer(tensor={"contents": {"int_contents": IMAGE.ravel().tolist()}}, raw=()),
    ),
    "ModelInfer FP32 raw": ("ModelInfer", infer(tensor={"datatype": "FP32"}, raw=[make_raw(IMAGE.astype("<f4"))])),
    "ModelInfer FP16 raw": ("ModelInfer", infer(tensor={"datatype": "FP16"}, raw=[make_raw(IMAGE.astype("<f2"))])),
    "ModelInfer datatype FOO": ("ModelInfer", infer(tensor={"datatype": "FOO"})),
    "ModelInfer shape [1,784]": ("ModelInfer", infer(tensor={"shape": [1, 784]})),
    "ModelInfer shape negative": ("ModelInfer", infer(tensor={"shape": [-1, 28, 28, 1]})),
    "ModelInfer shape zero": ("ModelInfer", infer(tensor={"shape": [0, 28, 28, 1]}, raw=[""])),
    "ModelInfer shape overflow": ("ModelInfer", infer(tensor={"shape": [2**62, 2**62, 1, 1]})),
    "ModelInfer batch of 9": (
        "ModelInfer",
        infer(tensor={"shape": [9, 28, 28, 1]}, raw=[make_raw(np.repeat(IMAGE[np.newaxis], 9, axis=0))]),
    ),
    "ModelInfer unknown version": ("ModelInfer", infer(model_version="9")),
    "ModelInfer version abc": ("ModelInfer", infer(model_version="abc")),
    "ModelInfer wrong input name": ("ModelInfer", infer(tensor={"name": "other"})),
    "ModelInfer no model name": ("ModelInfer", infer(model_name="")),
    "ModelInfer two raws, one input": ("ModelInfer", infer(raw=[RAW, RAW])),
    "ModelInfer unknown output": ("ModelInfer", infer(outputs=[{"name": "nope"}])),
    "ModelInfer classification": (
        "ModelInfer",
        infer(outputs=[{"name": "probabilities", "parameters": {"classification": {"int64_param": 2}}}]),
    ),
    "ModelInfer output binary_data false": (
        "ModelInfer",
        infer(outputs=[{"name": "probabilities", "parameters": {"binary_data": {"bool_param": False}}}]),
    ),
    "ModelInfer double and uint64 parameters": (
        "ModelInfer",
        infer(parameters={"foo": {"double_param": 1.5}, "bar": {"uint64_param": 7}}),
    ),
    "ModelInfer timeout 1 us": ("ModelInfer", infer(parameters={"timeout": {"int64_param": 1}})),
    "ModelInfer no inputs": ("ModelInfer", {"model_name": MODEL}),
    "ModelInfer 8 MiB message": ("ModelInfer", infer(raw=[make_raw(np.zeros(8 << 20, np.uint8))])),
    "ModelInfer 80 MiB message": ("ModelInfer", infer(raw=[make_raw(np.zeros(80 << 20, np.uint8))])),
}
"""What the names of the table's cases mean. Those that are not here need more than a method and a message."""


class Asking:
    """Calls methods on a channel, and gives the code and the answer as JSON."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def ask(self, method: str, message: Mapping[str, Any], **more: Any) -> tuple[str, Any]:  # noqa: ANN401  # JSON
        """Call a method that has one request and one answer."""
        request, answer = _find_messages(method)
        call = self._channel.unary_unary(f"/{SERVICE}/{method}", _write, answer.FromString)
        try:
            return "OK", _read(call(ParseDict(dict(message), request()), timeout=LIMIT_S, **more))
        except grpc.RpcError as error:
            return error.code().name, None

    def stream(self, *messages: Mapping[str, Any]) -> tuple[str, Any]:
        """Call the method that has many of both."""
        request, answer = _find_messages("ModelStreamInfer")
        call = self._channel.stream_stream(f"/{SERVICE}/ModelStreamInfer", _write, answer.FromString)
        try:
            sent = (ParseDict(dict(message), request()) for message in messages)
            return "OK", [_read(each) for each in call(sent, timeout=LIMIT_S)]
        except grpc.RpcError as error:
            return error.code().name, None

    def send(self, path: str, message: bytes) -> tuple[str, Any]:
        """Send bytes to a method by its path."""
        call: Any = self._channel.unary_unary(path)
        try:
            return "OK", call(message, timeout=LIMIT_S)
        except grpc.RpcError as error:
            return error.code().name, None

    def list_services(self, version: str) -> tuple[str, Any]:
        """Ask reflection for the names of the services."""
        call: Any = self._channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", None, None
        )
        try:
            return "OK", list(call(iter([b"\x3a\x00"]), timeout=LIMIT_S))
        except grpc.RpcError as error:
            return error.code().name, None

    def check_health(self, name: str) -> tuple[str, Any]:
        """Ask for the health of a service; its messages have one field each."""
        code, answer = self.send("/grpc.health.v1.Health/Check", bytes([0x0A, len(name)]) + name.encode())
        return code, {"status": "SERVING"} if answer == b"\x08\x01" else answer


def _find_messages(method: str) -> tuple[type[Message], type[Message]]:
    described = POOL.FindServiceByName(SERVICE).methods_by_name[method]
    return GetMessageClass(described.input_type), GetMessageClass(described.output_type)


def _write(message: Message) -> bytes:
    return message.SerializeToString()


def _read(message: Message) -> Any:  # noqa: ANN401  # any JSON
    return MessageToDict(message, preserving_proto_field_name=True)


OTHERS: Mapping[str, Callable[[Asking], tuple[str, Any]]] = {
    "ModelInfer gzip": lambda asking: asking.ask("ModelInfer", infer(), compression=grpc.Compression.Gzip),
    "ModelStreamInfer empty": lambda asking: asking.stream(),
    "ModelStreamInfer unknown model": lambda asking: asking.stream(infer(model_name="nope", id="n")),
    "health ''": lambda asking: asking.check_health(""),
    f"health '{SERVICE}'": lambda asking: asking.check_health(SERVICE),
    "health 'fashion'": lambda asking: asking.check_health("fashion"),
    "reflection v1alpha": lambda asking: asking.list_services("v1alpha"),
    "unknown method": lambda asking: asking.send(f"/{SERVICE}/Nope", b""),
    "garbage request": lambda asking: asking.send(f"/{SERVICE}/ModelInfer", b"\xff\xff\xff"),
}

UNKNOWN = {"ModelInfer deadline 0"}
"""Cases whose requests cannot be told from their names: gRPC's client for Python sends no call that has no time."""
CASES = [case for case in GRPC if case.case not in UNKNOWN]


@pytest.fixture(scope="module")
def asking() -> Iterator[Asking]:
    """Asks the service, by the name and with the batch that the servers had."""
    serving = serve(StandIn(), served_name=MODEL, max_images_per_request=LARGEST_BATCH)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(serving) as server,
        grpc.insecure_channel(server.address, [("grpc.max_send_message_length", -1)]) as channel,
    ):
        yield Asking(channel)


def ask(asking: Asking, case: GrpcCase) -> tuple[str, Any]:
    if case.case in OTHERS:
        return OTHERS[case.case](asking)
    return asking.ask(*REQUESTS[case.case])


def differs(case: GrpcCase, code: str) -> bool:
    """Tell whether a code is another than the servers' where it should be the same."""
    reference = case.codes["triton"]
    do_agree = len(set(case.codes.values())) == 1
    return (do_agree or reference in ("OK", "NOT_FOUND")) and code != reference


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case)
def test_code_is_that_of_the_servers(case: GrpcCase, asking: Asking) -> None:
    """What public servers take is taken and what they don't have is not found; no caller's mistake is the service's."""
    code, _ = ask(asking, case)
    assert differs(case, code) == (case.case in DIFFERENCES), (code, case.codes)
    assert code not in ("UNKNOWN", "INTERNAL")


@pytest.mark.parametrize("case", [case for case in CASES if case.answer is not None], ids=lambda case: case.case)
def test_answer_has_what_clients_read(case: GrpcCase, asking: Asking) -> None:
    """Names, types, shapes, probabilities and the texts of classes are those that the servers gave."""
    code, answer = ask(asking, case)
    if case.case in DIFFERENCES:
        assert code != "OK"
    else:
        assert find_difference(answer, case.answer) is None


def test_every_case_is_replayed() -> None:
    """No case is left out, and none is explained that is not there."""
    assert {case.case for case in CASES} == {*REQUESTS, *OTHERS}
    assert set(DIFFERENCES) <= {case.case for case in CASES}
