"""The Open Inference Protocol over gRPC."""

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from PIL import Image
from pydantic import SecretStr

from fashion_api.rpc.messages import POOL
from fashion_api.rpc.messages import open_inference_pb2 as v2
from tests.fakes import NovelClassifier, fake_colour_model
from tests.open_inference import pack
from tests.picture_files import save
from tests.rpc.serving import INFER, NAME, V2, Client, connect, images, make_request, read_classes, refuse, run

Request = v2.ModelInferRequest
CODES = grpc.StatusCode


def of_input(request: Request) -> Request.InferInputTensor:
    """The input of a request."""
    return request.inputs[0]


def make_typed(datatype: str, field: str, values: list[Any], shape: tuple[int, ...] = (1, 28, 28, 1)) -> Request:
    """A request whose values are in a field of their type."""
    request = Request(model_name=NAME)
    given = request.inputs.add(name="image", datatype=datatype, shape=shape)
    getattr(given.contents, field).extend(values)
    return request


def make_raw(datatype: str, content: bytes, shape: tuple[int, ...] = (1, 28, 28, 1)) -> Request:
    """A request whose values are bytes."""
    request = Request(model_name=NAME, raw_input_contents=[content])
    request.inputs.add(name="image", datatype=datatype, shape=shape)
    return request


def pixels(first: float, dtype: str) -> bytes:
    """An image of a class, as bytes of a type."""
    values = np.zeros(784, dtype)
    values[0] = first
    return values.tobytes()


PICTURE = save(Image.fromarray(images(3)[0]), "PNG")
BF16_THREE = b"\x40\x40" + bytes(2 * 783)

ACCEPTED: Mapping[str, Request] = {
    "raw UINT8": make_request(),
    "rank 3": make_raw("UINT8", pixels(3, "<u1"), (1, 28, 28)),
    "rank 2": make_raw("UINT8", pixels(3, "<u1"), (1, 784)),
    "raw FP32": make_raw("FP32", pixels(3, "<f4")),
    "raw FP64": make_raw("FP64", pixels(2.7, "<f8")),
    "raw FP16": make_raw("FP16", pixels(3, "<f2")),
    "raw BF16": make_raw("BF16", BF16_THREE),
    "raw INT64": make_raw("INT64", pixels(3, "<i8")),
    "raw BYTES": make_raw("BYTES", pack(PICTURE), (1,)),
    "raw BYTES of rank 2": make_raw("BYTES", pack(PICTURE), (1, 1)),
    "UINT8": make_typed("UINT8", "uint_contents", [3] + [0] * 783),
    "UINT16": make_typed("UINT16", "uint_contents", [3] + [0] * 783),
    "UINT64": make_typed("UINT64", "uint64_contents", [3] + [0] * 783),
    "INT8": make_typed("INT8", "int_contents", [3] + [0] * 783),
    "INT32": make_typed("INT32", "int_contents", [3] + [0] * 783),
    "INT64": make_typed("INT64", "int64_contents", [3] + [0] * 783),
    "FP32": make_typed("FP32", "fp32_contents", [3] + [0] * 783),
    "FP64": make_typed("FP64", "fp64_contents", [3] + [0] * 783),
    "BYTES": make_typed("BYTES", "bytes_contents", [PICTURE], (1,)),
}


def test_images_are_read_in_every_type_and_form() -> None:
    """Each is classified as the image it is."""

    async def test() -> None:
        async with connect() as client:
            for name, request in ACCEPTED.items():
                assert read_classes(await client.infer(request)) == [3], name

    run(test())


def test_answers_have_the_models_name_version_digest_and_the_callers_id() -> None:
    """Numbers come as raw bytes, and nowhere else."""

    async def test() -> None:
        async with connect() as client:
            answer = await client.infer(make_request(images(3, 4), id="a"))
            assert (answer.model_name, answer.model_version, answer.id) == (NAME, "1", "a")
            assert answer.parameters["digest"].string_param == "0123456789ab"
            (output,) = answer.outputs
            assert (output.name, output.datatype, list(output.shape)) == ("probabilities", "FP32", [2, 10])
            assert not output.HasField("contents")
            assert read_classes(answer) == [3, 4]

    run(test())


def test_further_outputs_are_given_by_name() -> None:
    """Each has its type, and classes are described as Triton does."""

    async def test() -> None:
        request = make_request(images(3, 4))
        for name in ("label", "class_id", "probability", "novelty", "accepted", "probabilities"):
            request.outputs.add(name=name)
        request.outputs[5].parameters["classification"].int64_param = 2
        async with connect(NovelClassifier()) as client:
            answer = await client.infer(request)
        found = dict(zip([output.name for output in answer.outputs], answer.raw_output_contents, strict=True))
        assert [output.datatype for output in answer.outputs] == ["BYTES", "INT64", "FP32", "FP32", "BOOL", "BYTES"]
        assert found["label"] == pack(b"Dress", b"Coat")
        assert np.frombuffer(found["class_id"], "<i8").tolist() == [3, 4]
        assert found["accepted"] == b"\1\1"
        assert list(answer.outputs[5].shape) == [2, 2]
        assert found["probabilities"].startswith(pack(b"0.910000:3:Dress"))

    run(test())


def test_pixels_from_0_to_1_are_declared_by_a_parameter() -> None:
    """Without it, such floats are refused, and the message says how to declare them."""

    async def test() -> None:
        request = make_raw("FP32", pixels(3 / 255, "<f4"))
        async with connect() as client:
            refusal = await refuse(client.infer(request))
            assert refusal.code() is CODES.INVALID_ARGUMENT
            assert 'pixel_range: "0-1"' in str(refusal.details())
            of_input(request).parameters["pixel_range"].string_param = "0-1"
            assert read_classes(await client.infer(request)) == [3]

    run(test())


def test_parameters_of_every_type_are_taken() -> None:
    """Those that are unknown are ignored, and so is one without a value."""

    async def test() -> None:
        request = make_request()
        for owner in (request, of_input(request), request.outputs.add(name="probabilities")):
            owner.parameters["a"].bool_param = True
            owner.parameters["b"].int64_param = -1
            owner.parameters["c"].string_param = "x"
            owner.parameters["d"].double_param = 0.5
            owner.parameters["e"].uint64_param = 2**64 - 1
            owner.parameters["f"].SetInParent()
        request.parameters["priority"].uint64_param = 1
        request.parameters["sequence_id"].string_param = "s"
        request.parameters["triton_enable_empty_final_response"].bool_param = True
        async with connect() as client:
            assert read_classes(await client.infer(request)) == [3]

    run(test())


def change(edit: Callable[[Request], object]) -> Request:
    """A good request with one thing wrong."""
    request = make_request()
    edit(request)
    return request


def set_shape(*shape: int) -> Request:
    """A request whose input says it has another shape."""
    return change(lambda request: of_input(request).shape.__setitem__(slice(None), shape))


def set_parameter(name: str, field: str, value: object) -> Request:
    """A request with a parameter."""
    return change(lambda request: setattr(request.parameters[name], field, value))


def add_output(*names: str, classification: object = None) -> Request:
    """A request for outputs."""
    request = make_request()
    for name in names:
        output = request.outputs.add(name=name)
        if classification is not None:
            setattr(output.parameters["classification"], f"{type(classification).__name__[:3]}64_param", classification)
    return request


WRONG: Mapping[str, tuple[Request | bytes, str]] = {
    "garbage": (b"\xff\xff\xff", "the message is no inference.ModelInferRequest"),
    "text that is no UTF-8": (b"\x0a\x02\xff\xfe", "the message is no inference.ModelInferRequest"),
    "shape absent": (set_shape(), "has the shape []"),
    "shape empty dimension": (set_shape(0, 28, 28, 1), "holds 0 images"),
    "shape negative": (set_shape(-1, 28, 28, 1), "holds -1 images"),
    "shape of wrong rank": (set_shape(1, 1, 28, 28, 1), "has the shape"),
    "shape huge": (set_shape(2**62, 2**62), "has the shape"),
    "shape of very many": (set_shape(*[2**62] * 80_000), "4611686018427387904, …]"),
    "shape that wraps": (set_shape(16, 2**60 + 2), "has the shape"),
    "too many images": (set_shape(257, 28, 28, 1), "may hold 1 to 256"),
    "shape of more images": (set_shape(2, 28, 28, 1), "has 784 values"),
    "type unknown": (make_raw("FOO", bytes(784)), "data type 'FOO'"),
    "type in lower case": (make_raw("uint8", bytes(784)), "data type 'uint8'"),
    "type BOOL": (make_raw("BOOL", bytes(784)), "data type 'BOOL'"),
    "type other than the data": (make_raw("FP32", bytes(784)), "has 196 values"),
    "raw short": (make_raw("UINT8", bytes(783)), "has 783 values"),
    "raw no whole number of elements": (make_raw("FP32", bytes(785)), "has 785 bytes"),
    "raw NaN": (make_raw("FP32", pixels(np.nan, "<f4")), "image[0][0][0]"),
    "raw infinite": (make_raw("FP32", pixels(np.inf, "<f4")), "image[0][0][0]"),
    "raw 256": (make_raw("INT64", pixels(256, "<i8")), "not 256"),
    "raw -1": (make_raw("INT8", pixels(-1, "<i1")), "not -1"),
    "typed 256": (
        make_typed("UINT8", "uint_contents", [0, 256] + [0] * 782),
        "image[0][0][1][0]: must be a whole number",
    ),
    "typed 200 as INT8": (make_typed("INT8", "int_contents", [200] + [0] * 783), "from -128 to 127 (INT8), not 200"),
    "typed 256 in a shape that lies": (
        make_typed("UINT8", "uint_contents", [0, 256], (2**62, 2**62)),
        "has the shape [4611686018427387904",
    ),
    "typed -1": (make_typed("INT32", "int_contents", [-1] + [0] * 783), "not -1"),
    "typed NaN": (make_typed("FP32", "fp32_contents", [float("nan")] + [0] * 783), "image[0][0][0]"),
    "typed short": (make_typed("UINT8", "uint_contents", [0] * 783), "has 783 values"),
    "typed long": (make_typed("UINT8", "uint_contents", [0] * 785), "has 785 values"),
    "typed in a wrong field": (make_typed("UINT8", "int_contents", [0] * 784), "are in `uint_contents`"),
    "typed FP16": (make_typed("FP16", "fp32_contents", [0] * 784), "`raw_input_contents` only"),
    "typed and raw": (
        change(lambda request: of_input(request).contents.uint_contents.extend([0] * 784)),
        "has both",
    ),
    "neither typed nor raw": (change(lambda request: request.ClearField("raw_input_contents")), "has no data"),
    "two raws": (change(lambda request: request.raw_input_contents.append(b"")), "the data of 2 inputs"),
    "BYTES whose length exceeds them": (make_raw("BYTES", b"\xff\xff\xff\xff", (1,)), "is cut short"),
    "BYTES cut in a length": (make_raw("BYTES", b"\1\0", (1,)), "is cut short"),
    "BYTES of fewer elements": (make_raw("BYTES", pack(PICTURE), (2,)), "has 1 values"),
    "BYTES of very many": (make_raw("BYTES", bytes(4 * 1000), (1,)), "has more elements than the 1"),
    "BYTES without a picture": (make_raw("BYTES", pack(b"hello"), (1,)), "image[0]"),
    "no input": (change(lambda request: request.ClearField("inputs")), "the model has one input"),
    "the same input twice": (change(lambda request: request.inputs.append(of_input(request))), "2 times"),
    "a wrong input": (change(lambda request: setattr(of_input(request), "name", "other")), "'other' is no input"),
    "an unknown output": (add_output("nope"), "'nope' is no output"),
    "an output twice": (add_output("probabilities", "probabilities"), "asked for twice"),
    "an output without a name": (add_output(""), "'' is no output"),
    "novelty of a model without": (add_output("novelty"), "'novelty' is no output"),
    "classes of labels": (add_output("label", classification=2), "for the probabilities only"),
    "classes negative": (add_output("probabilities", classification=-1), "must be a number of classes"),
    "a range that is none": (set_parameter("pixel_range", "string_param", "0-2"), "pixel_range"),
    "a range that is a number": (set_parameter("pixel_range", "int64_param", 1), "pixel_range"),
    "a timeout that is a text": (set_parameter("timeout", "string_param", "1"), "timeout"),
    "a reserved parameter": (set_parameter("triton_x", "int64_param", 1), "triton_x"),
    "shared memory": (
        change(lambda request: setattr(of_input(request).parameters["shared_memory_region"], "string_param", "r")),
        "shared memory",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(name: str) -> None:
    """The call after it is answered."""

    async def test() -> None:
        request, message = WRONG[name]
        async with connect() as client:
            refusal = await refuse(client.infer(request))
            assert refusal.code() is CODES.INVALID_ARGUMENT
            assert message in str(refusal.details())
            assert read_classes(await client.infer()) == [3]

    run(test())


def test_a_wrong_request_disturbs_none_in_the_same_batch() -> None:
    """Requests that come together are each answered, or refused, by themselves."""

    async def test() -> None:
        wrong = [request for request, _ in WRONG.values()]
        async with connect() as client:
            calls = [
                client.infer(wrong[place // 2] if place % 2 else make_request(images(place % 10)))
                for place in range(60)
            ]
            for place, call in enumerate(calls):
                if place % 2:
                    assert (await refuse(call)).code() is CODES.INVALID_ARGUMENT
                else:
                    assert read_classes(await call) == [place % 10]

    run(test())


@pytest.mark.parametrize(
    ("name", "version"), [("nope", ""), ("", ""), (NAME, "2"), (NAME, "abc"), (NAME, "0123456789ab")]
)
def test_other_models_and_versions_are_not_found(name: str, version: str) -> None:
    """The message has the words that sample programs look for."""

    async def test() -> None:
        async with connect() as client:
            refusal = await refuse(client.infer(make_request(model_name=name, model_version=version)))
            assert refusal.code() is CODES.NOT_FOUND
            assert "Request for unknown model" in str(refusal.details())
            for method in ("ModelMetadata", "ModelConfig"):
                asked = await refuse(client.start(V2 + method, make(method, name=name, version=version)))
                assert asked.code() is CODES.NOT_FOUND
            ready = await client.start(V2 + "ModelReady", v2.ModelReadyRequest(name=name, version=version))
            assert not ready.ready

    run(test())


def make(method: str, **fields: object) -> Message:
    """A request of a method."""
    return GetMessageClass(POOL.FindMethodByName((V2 + method).replace("/", ".")).input_type)(**fields)


def test_the_model_is_described_as_programs_expect() -> None:
    """There is one input and one output, and the configuration has the shapes without the batch."""

    async def test() -> None:
        async with connect(served_name="clothes", served_version=7, served_input="x", served_output="y") as client:
            found = await client.start(V2 + "ModelMetadata", make("ModelMetadata", name="clothes", version="7"))
            assert (found.name, list(found.versions), found.platform) == ("clothes", ["7"], "onnx_onnxv1")
            assert [(each.name, each.datatype, list(each.shape)) for each in (*found.inputs, *found.outputs)] == [
                ("x", "UINT8", [-1, 28, 28, 1]),
                ("y", "FP32", [-1, 10]),
            ]
            config = (await client.start(V2 + "ModelConfig", make("ModelConfig", name="clothes"))).config
            (image,), (probabilities,) = config.input, config.output
            assert (image.data_type, image.format, list(image.dims)) == (
                v2.TYPE_UINT8,
                v2.ModelInput.FORMAT_NHWC,
                [28, 28, 1],
            )
            assert (probabilities.data_type, list(probabilities.dims)) == (v2.TYPE_FP32, [10])
            assert config.max_batch_size == 256
            assert config.HasField("dynamic_batching")
            assert config.parameters["digest"].string_value == "0123456789ab"

    run(test())


def test_a_model_in_colour_is_described_and_served() -> None:
    """Its input has three channels."""

    async def test() -> None:
        async with connect(model=fake_colour_model()) as client:
            found = await client.start(V2 + "ModelMetadata", make("ModelMetadata", name=NAME))
            assert list(found.inputs[0].shape) == [-1, 32, 32, 3]
            content = bytes([5]) + bytes(32 * 32 * 3 - 1)
            assert read_classes(await client.infer(make_raw("UINT8", content, (1, 32, 32, 3)))) == [5]

    run(test())


async def ask(client: Client, method: str, **fields: object) -> Any:  # noqa: ANN401  # of the method's type
    """Call a method."""
    return await client.start(V2 + method, make(method, **fields))


def test_the_server_is_described() -> None:
    """It names the extensions that are there as a whole."""

    async def test() -> None:
        async with connect() as client:
            assert (await ask(client, "ServerLive")).live
            assert (await ask(client, "ServerReady")).ready
            assert (await ask(client, "ModelReady", name=NAME, version="1")).ready
            found = await ask(client, "ServerMetadata")
            assert found.name == "fashion-api"
            assert "statistics" in found.extensions
            (model,) = (await ask(client, "RepositoryIndex")).models
            assert (model.name, model.version, model.state) == (NAME, "1", "READY")

    run(test())


def test_whether_the_server_lives_and_is_ready_needs_no_key() -> None:
    """As over REST."""

    async def test() -> None:
        async with connect(api_keys=(SecretStr("k"),)) as client:
            assert (await ask(client, "ServerLive")).live
            assert (await ask(client, "ServerReady")).ready
            assert (await refuse(client.start(V2 + "RepositoryIndex", b""))).code() is CODES.UNAUTHENTICATED

    run(test())


def test_a_draining_service_is_not_ready() -> None:
    """It is still live, and its model is named."""

    async def test() -> None:
        async with connect() as client:
            client.server.follower.service.drain()
            assert (await ask(client, "ServerLive")).live
            assert not (await ask(client, "ServerReady")).ready
            assert not (await ask(client, "ModelReady", name=NAME)).ready

    run(test())


def test_statistics_count_what_was_done() -> None:
    """Images, batches, answers and failures."""

    async def test() -> None:
        async with connect() as client:
            await client.infer(make_request(images(1, 2)))
            await client.infer()
            await refuse(client.infer(b"\xff"))
            (found,) = (await ask(client, "ModelStatistics", name=NAME)).model_stats
            assert (found.inference_count, found.execution_count) == (3, 2)
            stats = found.inference_stats
            assert stats.success.count == stats.queue.count == stats.compute_infer.count == 2
            assert stats.success.ns >= stats.compute_infer.ns > 0
            assert [(each.batch_size, each.compute_infer.count) for each in found.batch_stats] == [(1, 1), (2, 1)]
            assert found.last_inference > 1e12
            assert len((await ask(client, "ModelStatistics")).model_stats) == 1

    run(test())


@pytest.mark.parametrize(
    ("method", "code"),
    [
        ("RepositoryModelLoad", CODES.UNAVAILABLE),
        ("RepositoryModelUnload", CODES.UNAVAILABLE),
        ("SystemSharedMemoryRegister", CODES.UNIMPLEMENTED),
        ("CudaSharedMemoryRegister", CODES.UNIMPLEMENTED),
    ],
)
def test_what_is_not_offered_is_refused(method: str, code: grpc.StatusCode) -> None:
    """The message says so."""

    async def test() -> None:
        async with connect() as client:
            refusal = await refuse(client.start(V2 + method, make(method)))
            assert refusal.code() is code
            assert "not" in str(refusal.details())

    run(test())


def test_there_is_no_shared_memory() -> None:
    """Its state is empty, and clients may give back what they have not registered."""

    async def test() -> None:
        async with connect() as client:
            for kind in ("System", "Cuda"):
                assert not (await ask(client, f"{kind}SharedMemoryStatus", name="r")).regions
                await ask(client, f"{kind}SharedMemoryUnregister", name="r")

    run(test())


def test_settings_are_told_and_cannot_be_changed() -> None:
    """Those of the log and of traces."""

    async def test() -> None:
        async with connect() as client:
            assert (await ask(client, "LogSettings")).settings["log_info"].bool_param
            assert list((await ask(client, "TraceSetting", model_name=NAME)).settings["trace_level"].value) == ["OFF"]
            log = v2.LogSettingsRequest()
            log.settings["log_info"].bool_param = False
            traces = v2.TraceSettingRequest()
            traces.settings["trace_level"].value.append("TIMESTAMPS")
            other = v2.LogSettingsRequest()
            other.settings["nope"].bool_param = True
            for method, request, message in (
                ("LogSettings", log, "cannot be changed"),
                ("TraceSetting", traces, "cannot be changed"),
                ("LogSettings", other, "is no setting; there are"),
            ):
                refusal = await refuse(client.start(V2 + method, request))
                assert refusal.code() is CODES.INVALID_ARGUMENT
                assert message in str(refusal.details())
            log.settings["log_info"].bool_param = True
            await client.start(V2 + "LogSettings", log)

    run(test())


def test_a_large_request_is_read_beside_the_event_loop() -> None:
    """Of as many images as there may be, each is classified."""

    async def test() -> None:
        async with connect() as client:
            classes = [place % 10 for place in range(256)]
            assert read_classes(await client.infer(make_request(images(*classes)))) == classes
            typed = make_typed("UINT8", "uint_contents", images(*classes).ravel().tolist(), (256, 28, 28, 1))
            assert read_classes(await client.infer(typed)) == classes

    run(test())


def test_compressed_messages_are_read() -> None:
    """Of gzip and deflate, and no further than the limit of a message."""

    async def test() -> None:
        async with connect(max_upload_bytes=10_000) as client:
            for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate):
                assert read_classes(await client.start(INFER, make_request(), compression=compression)) == [3]
            bomb = make_raw("UINT8", bytes(1_000_000))
            refusal = await refuse(client.start(INFER, bomb, compression=grpc.Compression.Gzip))
            assert refusal.code() is CODES.RESOURCE_EXHAUSTED

    run(test())
