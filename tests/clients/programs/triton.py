"""The calls that all four clients of `tritonclient` have: HTTP and gRPC, blocking and with asyncio."""

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from served import Check, Served
from tritonclient.utils import InferenceServerException

HTTP: Mapping[str, ModuleType] = {"http": tritonclient.http, "http.aio": tritonclient.http.aio}
GRPC: Mapping[str, ModuleType] = {"grpc": tritonclient.grpc, "grpc.aio": tritonclient.grpc.aio}

INPUT, OUTPUT = "image", "probabilities"


class Caller:
    """A client of one kind. Its calls are noted, and awaited where that has to be."""

    def __init__(self, module: ModuleType, served: Served) -> None:
        self.module = module
        self.is_grpc = ".grpc" in module.__name__
        self.served = served
        self.client = module.InferenceServerClient(served.grpc_address if self.is_grpc else served.address)
        self.called: set[str] = set()

    async def call(self, name: str, *arguments: object, **more: object) -> Any:
        """Call a method; where there is a choice, messages are given as JSON."""
        self.called.add(name)
        method = getattr(self.client, name)
        if "as_json" in inspect.signature(method).parameters:
            more["as_json"] = True
        given = method(*arguments, **more)
        return await given if inspect.isawaitable(given) else given

    async def is_refused(self, name: str, *arguments: object, words: str = "", **more: object) -> None:
        """Check that a call raises the client's own exception, with the service's words in it."""
        try:
            given = await self.call(name, *arguments, **more)
        except InferenceServerException as error:
            message = error.message()
            assert message, f"{name}: no message"
            assert "exception occurred in the client" not in message, message
            assert words in message, message
        else:
            raise AssertionError(f"{name}{arguments} gave {given}")

    async def infer(self, count: int = 1, *, outputs: object = None, is_binary: bool = True, **more: object) -> Any:
        """Ask for the first images."""
        return await self.call(
            "infer", self.served.model, [self.make_input(count, is_binary=is_binary)], outputs=outputs, **more
        )

    def make_input(self, count: int, *, first: int = 0, is_binary: bool = True) -> Any:
        """Make the input of so many images."""
        images = self.served.images[first : first + count]
        made = self.module.InferInput(INPUT, list(images.shape), "UINT8")
        made.set_data_from_numpy(images, **({} if self.is_grpc else {"binary_data": is_binary}))
        return made

    def make_output(self, name: str = OUTPUT, *, is_binary: bool = True, class_count: int = 0) -> Any:
        """Make an output that is asked for."""
        more = {} if self.is_grpc else {"binary_data": is_binary}
        return self.module.InferRequestedOutput(name, class_count=class_count, **more)

    async def close(self) -> None:
        """End its connections."""
        await self.call("close")


CommonCheck = Callable[[Caller, Served], Awaitable[None]]


def list_checks(kinds: Mapping[str, ModuleType], checks: Sequence[CommonCheck]) -> Iterator[tuple[str, Check]]:
    """Give each check for each kind of client, by name."""
    for kind, module in kinds.items():
        for check in checks:
            yield f"{kind}: {check.__name__}", partial(_make, check, module)
        yield f"{kind}: make_every_call", partial(_make, make_every_call, module)


async def _make(check: CommonCheck, module: ModuleType, served: Served) -> None:
    caller = Caller(module, served)
    try:
        await check(caller, served)
    finally:
        await caller.close()
        _called.setdefault(module.__name__, set()).update(caller.called)


_called: dict[str, set[str]] = {}


async def make_every_call(caller: Caller, _: Served) -> None:
    """The checks before this one leave out none of the client's methods."""
    methods = {name for name, _ in inspect.getmembers(caller.client, callable) if not name.startswith("_")}
    left_out = methods - _called[caller.module.__name__]
    assert not left_out, f"never called: {sorted(left_out)}"


def count(figure: Mapping[str, object], name: str) -> int:
    """Read a 64-bit number, which protocol buffers write as text in JSON, and leave out where it is 0."""
    return int(str(figure.get(name, 0)))


async def ask_health(caller: Caller, served: Served) -> None:
    """Live, ready, and the one model is, by its name and its version."""
    assert await caller.call("is_server_live") is True
    assert await caller.call("is_server_ready") is True
    assert await caller.call("is_model_ready", served.model) is True
    assert await caller.call("is_model_ready", served.model, "1") is True
    assert await caller.call("is_model_ready", "nope") is False
    assert await caller.call("is_model_ready", served.model, "9") is False


async def ask_metadata(caller: Caller, served: Served) -> None:
    """The server names what it can do; the model has one input and one output."""
    server = await caller.call("get_server_metadata")
    assert {"classification", "binary_tensor_data", "statistics", "model_configuration"} <= set(server["extensions"])
    for version in ("", "1"):
        model = await caller.call("get_model_metadata", served.model, version)
        assert (model["name"], model["versions"], model["platform"]) == (served.model, ["1"], "onnx_onnxv1")
        (image,), (probabilities,) = model["inputs"], model["outputs"]
        assert (image["name"], image["datatype"]) == (INPUT, "UINT8")
        assert [int(size) for size in image["shape"]] == [-1, *served.images.shape[1:]]
        assert (probabilities["name"], probabilities["datatype"]) == (OUTPUT, "FP32")
        assert [int(size) for size in probabilities["shape"]] == [-1, served.probabilities.shape[1]]
    await caller.is_refused("get_model_metadata", "nope", words="Request for unknown model")
    await caller.is_refused("get_model_metadata", served.model, "9", words="Request for unknown model")


async def ask_config(caller: Caller, served: Served) -> None:
    """The configuration has the sizes of an image, and how many a request may have."""
    for version in ("", "1"):
        answer = await caller.call("get_model_config", served.model, version)
        config = answer.get("config", answer)
        (image,), (probabilities,) = config["input"], config["output"]
        assert (config["name"], config["max_batch_size"] >= len(served.images)) == (served.model, True)
        assert (image["name"], image["data_type"], image["format"]) == (INPUT, "TYPE_UINT8", "FORMAT_NHWC")
        assert [int(size) for size in image["dims"]] == list(served.images.shape[1:])
        assert (probabilities["name"], probabilities["data_type"]) == (OUTPUT, "TYPE_FP32")
        assert [int(size) for size in probabilities["dims"]] == [served.probabilities.shape[1]]
        assert "dynamic_batching" in config
    await caller.is_refused("get_model_config", "nope", words="Request for unknown model")


async def ask_statistics(caller: Caller, served: Served) -> None:
    """Requests, images and batches are counted, for the model and for all."""

    async def read(*model: str) -> dict[str, Any]:
        (figures,) = (await caller.call("get_inference_statistics", *model))["model_stats"]
        assert (figures["name"], figures["version"]) == (served.model, "1")
        return dict(figures)

    before = await read()
    for _ in range(3):
        await caller.infer(2)
    for after in (await read(), await read(served.model), await read(served.model, "1")):
        assert count(after, "inference_count") - count(before, "inference_count") == 6
        for name, made in (("success", 3), ("fail", 0)):
            earlier, later = (each["inference_stats"].get(name, {}) for each in (before, after))
            assert count(later, "count") - count(earlier, "count") == made, name
        batches = after["batch_stats"]
        executed = {count(batch, "batch_size"): count(batch["compute_infer"], "count") for batch in batches}
        assert sum(size * times for size, times in executed.items()) == count(after, "inference_count")
        assert sum(executed.values()) == count(after, "execution_count")
        assert count(after, "last_inference") > 1_700_000_000_000  # milliseconds since 1970
    await caller.is_refused("get_inference_statistics", "nope")


async def ask_index(caller: Caller, served: Served) -> None:
    """The repository has the one model, which is ready and stays where it is."""
    answer = await caller.call("get_model_repository_index")
    (model,) = answer["models"] if caller.is_grpc else answer
    assert (model["name"], model["version"], model["state"]) == (served.model, "1", "READY")
    await caller.is_refused("load_model", served.model)
    await caller.is_refused("unload_model", served.model)
    assert await caller.call("is_model_ready", served.model) is True


async def ask_settings(caller: Caller, served: Served) -> None:
    """The settings of logs and traces can be read, and not changed."""

    async def read(name: str, *model: str) -> Mapping[str, object]:
        answer = await caller.call(name, *model)
        settings: Mapping[str, object] = answer["settings"] if caller.is_grpc else answer
        assert settings
        return settings

    logged = await read("get_log_settings")
    await caller.is_refused("update_log_settings", {"log_verbose_level": 1})
    assert await read("get_log_settings") == logged
    for model in ((), (served.model,)):
        traced = await read("get_trace_settings", *model)
        assert "trace_level" in traced
        await caller.is_refused("update_trace_settings", *model, settings={"trace_level": ["TIMESTAMPS"]})
        assert await read("get_trace_settings", *model) == traced


async def ask_shared_memory(caller: Caller, _: Served) -> None:
    """No region of shared memory is there, none can be registered, and none is left to unregister."""
    for kind in ("system", "cuda"):
        answer = await caller.call(f"get_{kind}_shared_memory_status")
        assert not (answer.get("regions") if caller.is_grpc else answer)
        if not caller.is_grpc:
            assert await caller.call(f"get_{kind}_shared_memory_status", "region") == []
    await caller.is_refused("register_system_shared_memory", "region", "/region", 784)
    await caller.is_refused("register_cuda_shared_memory", "region", b"aGFuZGxl", 0, 784)
    for kind in ("system", "cuda"):
        await caller.call(f"unregister_{kind}_shared_memory")


async def classify_all(caller: Caller, served: Served) -> None:
    """All images in one request: with an output that is asked for, with none, and by version."""
    everything = len(served.images)
    served.hold_against((await caller.infer(everything, outputs=[caller.make_output()])).as_numpy(OUTPUT))
    served.hold_against((await caller.infer(everything)).as_numpy(OUTPUT))
    served.hold_against((await caller.infer(everything, model_version="1")).as_numpy(OUTPUT))


async def classify_each(caller: Caller, served: Served) -> None:
    """Each image in a request of its own."""
    for number in range(len(served.images)):
        given = await caller.call("infer", served.model, [caller.make_input(1, first=number)])
        served.hold_against(given.as_numpy(OUTPUT), number)


async def classify_floats(caller: Caller, served: Served) -> None:
    """Floats of 0–255, and of 0–1 where a parameter says so."""
    for scale, more in ((1, {}), (255, {"parameters": {"pixel_range": "0-1"}})):
        pixels = served.images.astype(np.float32) / np.float32(scale)
        image = caller.module.InferInput(INPUT, list(pixels.shape), "FP32")
        image.set_data_from_numpy(pixels)
        served.hold_against((await caller.call("infer", served.model, [image], **more)).as_numpy(OUTPUT))


async def ask_classes(caller: Caller, served: Served) -> None:
    """The most probable classes as texts, in falling order."""
    (found,) = (await caller.infer(outputs=[caller.make_output(class_count=3)])).as_numpy(OUTPUT)
    assert len(found) == 3
    for text, index in zip(found, np.argsort(-served.probabilities[0], kind="stable"), strict=False):
        probability, class_id, label = text.decode().split(":")
        assert (int(class_id), bool(label)) == (index, True)
        assert abs(float(probability) - served.probabilities[0, index]) < 2e-6
    (found,) = (await caller.infer(outputs=[caller.make_output(class_count=99)])).as_numpy(OUTPUT)
    assert len(found) == served.probabilities.shape[1]


async def ask_further_outputs(caller: Caller, served: Served) -> None:
    """Labels and numbers of the classes, by name."""
    outputs = [caller.make_output(name) for name in ("label", "class_id", "probability")]
    given = await caller.infer(4, outputs=outputs)
    best = served.probabilities[:4].argmax(axis=1)
    assert given.as_numpy("class_id").ravel().tolist() == best.tolist()
    assert len(given.as_numpy("label").ravel()) == 4
    np.testing.assert_allclose(given.as_numpy("probability").ravel(), served.probabilities[:4].max(axis=1), atol=1e-6)


async def send_parameters(caller: Caller, served: Served) -> None:
    """What is for schedulers and sequences changes nothing; an id comes back."""
    more = {"priority": 1, "sequence_id": 7, "sequence_start": True, "sequence_end": True, "timeout": 5_000_000}
    given = await caller.infer(request_id="Größe 42", parameters={"note": "x", "number": 1, "flag": True}, **more)
    served.hold_against(given.as_numpy(OUTPUT))
    response = given.get_response()
    found = response.id if caller.is_grpc else response["id"]
    name = response.model_name if caller.is_grpc else response["model_name"]
    assert (found, name) == ("Größe 42", served.model)


async def send_headers(caller: Caller, served: Served) -> None:
    """Headers of one's own, and those that a plugin adds, are taken."""
    plugin = _AddsHeader()
    await caller.call("register_plugin", plugin)
    assert await caller.call("plugin") is plugin
    served.hold_against((await caller.infer(headers={"x-note": "own"})).as_numpy(OUTPUT))
    await caller.call("unregister_plugin")


class _AddsHeader(tritonclient.http.InferenceServerClientPlugin):  # type: ignore[misc]
    """Adds a header to each request."""

    def __call__(self, request: Any) -> None:
        request.headers["x-plugin"] = "added"


async def ask_wrongly(caller: Caller, served: Served) -> None:
    """A wrong model, version, output, input, type or shape is refused in words; the next request is answered."""
    images = caller.make_input(1)
    await caller.is_refused("infer", "nope", [images], words="Request for unknown model")
    await caller.is_refused("infer", served.model, [images], model_version="9", words="Request for unknown model")
    await caller.is_refused("infer", served.model, [images], outputs=[caller.make_output("nope")], words="nope")
    for name, shape, datatype in (
        ("other", served.images[:1].shape, "UINT8"),
        (INPUT, (1, 7, 7, 1), "UINT8"),
        (INPUT, (1,), "BYTES"),
    ):
        wrong = caller.module.InferInput(name, list(shape), datatype)
        wrong.set_data_from_numpy(np.full(shape, b"x", object) if datatype == "BYTES" else np.ones(shape, np.uint8))
        await caller.is_refused("infer", served.model, [wrong])
    served.hold_against((await caller.infer()).as_numpy(OUTPUT))


COMMON = (
    ask_health,
    ask_metadata,
    ask_config,
    ask_statistics,
    ask_index,
    ask_settings,
    ask_shared_memory,
    classify_all,
    classify_each,
    classify_floats,
    ask_classes,
    ask_further_outputs,
    send_parameters,
    send_headers,
    ask_wrongly,
)
