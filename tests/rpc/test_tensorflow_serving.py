"""TensorFlow Serving over gRPC."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import pytest
from PIL import Image

from fashion_api.rpc.messages import tensorflow_pb2 as tf
from fashion_api.rpc.messages import tensorflow_serving_pb2 as tfs
from tests.fakes import NovelClassifier
from tests.picture_files import save
from tests.rpc.serving import (
    MODEL_STATUS,
    NAME,
    PREDICT,
    PREDICTION,
    connect,
    images,
    make_prediction,
    make_tensor,
    refuse,
    run,
)

CODES = grpc.StatusCode
METADATA = PREDICTION + "GetModelMetadata"
PICTURE = save(Image.fromarray(images(3)[0]), "PNG")
ONE = (1, 28, 28, 1)


def shape_of(*sizes: int) -> tf.TensorShapeProto:
    """A shape."""
    return tf.TensorShapeProto(dim=[tf.TensorShapeProto.Dim(size=size) for size in sizes])


def make_typed(dtype: str, field: str, values: Sequence[Any], shape: Sequence[int] = ONE) -> tf.TensorProto:
    """A tensor whose values are in a field of their type."""
    tensor = tf.TensorProto(dtype=dtype, tensor_shape=shape_of(*shape))
    getattr(tensor, field).extend(values)
    return tensor


def make_content(dtype: str, content: bytes, shape: Sequence[int] = ONE) -> tf.TensorProto:
    """A tensor whose values are bytes."""
    return tf.TensorProto(dtype=dtype, tensor_shape=shape_of(*shape), tensor_content=content)


def pixels(first: float, dtype: str) -> bytes:
    """An image of a class, as bytes of a type."""
    values = np.zeros(784, dtype)
    values[0] = first
    return values.tobytes()


THREE = [3] + [0] * 783

ACCEPTED: Mapping[str, tuple[tf.TensorProto, str]] = {
    "UINT8 in bytes": (make_tensor(images(3)), "pixels"),
    "UINT8": (make_typed("DT_UINT8", "int_val", THREE), "pixels"),
    "INT8": (make_typed("DT_INT8", "int_val", THREE), "pixels"),
    "INT32": (make_typed("DT_INT32", "int_val", THREE), "pixels"),
    "UINT32": (make_typed("DT_UINT32", "uint32_val", THREE), "pixels"),
    "INT64": (make_typed("DT_INT64", "int64_val", THREE), "pixels"),
    "UINT64": (make_typed("DT_UINT64", "uint64_val", THREE), "pixels"),
    "FLOAT": (make_typed("DT_FLOAT", "float_val", THREE), "pixels"),
    "DOUBLE": (make_typed("DT_DOUBLE", "double_val", THREE), "pixels"),
    "HALF": (make_typed("DT_HALF", "half_val", np.array(THREE, "<f2").view("<u2").tolist()), "pixels"),
    "BFLOAT16": (make_typed("DT_BFLOAT16", "half_val", [0x4040] + [0] * 783), "pixels"),
    "HALF in bytes": (make_content("DT_HALF", pixels(3, "<f2")), "pixels"),
    "fewer values: the last is repeated": (make_typed("DT_UINT8", "int_val", [3, 0]), "pixels"),
    "rank 2": (make_content("DT_UINT8", pixels(3, "u1"), (1, 784)), "pixels"),
    "floats from 0 to 1": (make_content("DT_FLOAT", pixels(3 / 255, "<f4")), ""),
    "doubles from 0 to 1": (make_content("DT_DOUBLE", pixels(3 / 255, "<f8")), "serving_default"),
    "a picture": (make_typed("DT_STRING", "string_val", [PICTURE], (1,)), "images"),
    "a picture, rank 2": (make_typed("DT_STRING", "string_val", [PICTURE], (1, 1)), "images"),
}


def read_classes(answer: tfs.PredictResponse) -> list[int]:
    """Give the most probable class of each image."""
    tensor = answer.outputs["probabilities"]
    values = np.array(tensor.float_val).reshape([dim.size for dim in tensor.tensor_shape.dim])
    return [int(class_id) for class_id in values.argmax(axis=1)]


def test_images_are_read_in_every_type_and_form() -> None:
    """Each is classified as the image it is."""

    async def test() -> None:
        async with connect() as client:
            for name, (tensor, signature) in ACCEPTED.items():
                assert read_classes(await client.predict(make_prediction(tensor, signature))) == [3], name

    run(test())


def test_the_last_picture_is_repeated_too() -> None:
    """One stands for as many as the shape says."""

    async def test() -> None:
        async with connect() as client:
            tensor = make_typed("DT_STRING", "string_val", [PICTURE], (3,))
            assert read_classes(await client.predict(make_prediction(tensor, "images"))) == [3, 3, 3]

    run(test())


def test_answers_say_by_which_model_and_signature() -> None:
    """Probabilities come in `float_val`, which clients read directly."""

    async def test() -> None:
        async with connect(served_version=5, served_output="dense") as client:
            answer = await client.predict(make_prediction())
            assert (answer.model_spec.name, answer.model_spec.version.value) == (NAME, 5)
            assert answer.model_spec.signature_name == "pixels"
            assert list(answer.outputs) == ["dense"]
            assert answer.outputs["dense"].dtype == tf.DT_FLOAT
            assert len(answer.outputs["dense"].float_val) == 10

    run(test())


def test_all_outputs_are_given_by_the_signature_details() -> None:
    """Each has its type; `output_filter` chooses among them."""

    async def test() -> None:
        async with connect(NovelClassifier()) as client:
            request = make_prediction(make_tensor(images(3, 4)), "details")
            outputs = (await client.predict(request)).outputs
            assert list(outputs["label"].string_val) == [b"Dress", b"Coat"]
            assert list(outputs["class_id"].int64_val) == [3, 4]
            assert list(outputs["accepted"].bool_val) == [True, True]
            assert [dim.size for dim in outputs["novelty"].tensor_shape.dim] == [2]
            request.output_filter.extend(["class_id", "label"])
            assert set((await client.predict(request)).outputs) == {"class_id", "label"}

    run(test())


def change(edit: Callable[[tfs.PredictRequest], object]) -> tfs.PredictRequest:
    """A good request with one thing wrong."""
    request = make_prediction()
    edit(request)
    return request


def give(tensor: tf.TensorProto, signature: str = "pixels") -> tfs.PredictRequest:
    """A request with a tensor."""
    return make_prediction(tensor, signature)


WRONG: Mapping[str, tuple[tfs.PredictRequest | bytes, str]] = {
    "garbage": (b"\xff\xff\xff", "the message is no tensorflow.serving.PredictRequest"),
    "no model": (change(lambda request: request.ClearField("model_spec")), "Missing ModelSpec"),
    "a label": (change(lambda request: setattr(request.model_spec, "version_label", "stable")), "no labels"),
    "an unknown signature": (give(make_tensor(images(3)), "nope"), '"nope" not found'),
    "no input": (change(lambda request: request.ClearField("inputs")), "takes one input, image"),
    "a wrong input": (change(lambda request: request.inputs["other"].SetInParent()), "other"),
    "an unknown output": (change(lambda request: request.output_filter.append("nope")), "nope"),
    "an output twice": (
        change(lambda request: request.output_filter.extend(["probabilities"] * 2)),
        "duplicate output",
    ),
    "no type": (give(make_content("DT_INVALID", bytes(784))), "DT_INVALID"),
    "a type of no numbers": (give(make_typed("DT_BOOL", "bool_val", [True])), "DT_BOOL"),
    "a type that is none": (
        change(lambda request: request.inputs["image"].MergeFromString(b"\x08\x63")),
        "has the data type 99",
    ),
    "no shape": (give(make_content("DT_UINT8", bytes(784), ())), "has the shape []"),
    "an unknown rank": (
        change(lambda request: setattr(request.inputs["image"].tensor_shape, "unknown_rank", True)),
        "has no shape",
    ),
    "shape negative": (give(make_content("DT_UINT8", bytes(784), (-1, 28, 28, 1))), "holds -1 images"),
    "shape negative twice": (give(make_typed("DT_UINT8", "int_val", [0], (-1, -28, 28, 1))), "has the shape"),
    "shape empty": (give(make_content("DT_UINT8", b"x", (0, 28, 28, 1))), "holds 0 images"),
    "shape huge": (give(make_typed("DT_UINT8", "int_val", [0], (2**62, 2**62))), "has the shape"),
    "shape huge, wrong value": (give(make_typed("DT_UINT8", "int_val", [256], (2**62, 2**62))), "has the shape"),
    "shape of very many": (give(make_typed("DT_UINT8", "int_val", [0], [2**62] * 1000)), "has the shape"),
    "shape of wrong rank": (give(make_content("DT_UINT8", bytes(784), (1, 1, 28, 28, 1))), "has the shape"),
    "too many images": (give(make_typed("DT_UINT8", "int_val", [0], (257, 28, 28, 1))), "may hold 1 to 256"),
    "bytes short": (give(make_content("DT_UINT8", bytes(783))), "image"),
    "bytes long": (give(make_content("DT_UINT8", bytes(785))), "has 785 values"),
    "bytes of half an element": (give(make_content("DT_FLOAT", bytes(785))), "has 785 bytes"),
    "values long": (give(make_typed("DT_UINT8", "int_val", [0] * 785)), "has 785 values"),
    "no values": (give(make_typed("DT_UINT8", "int_val", [])), "none of them"),
    "values in two places": (
        change(lambda request: request.inputs["image"].int_val.append(1)),
        "both of them",
    ),
    "values in a wrong field": (give(make_typed("DT_UINT8", "int64_val", [0] * 784)), "they are in `int_val`"),
    "256": (give(make_typed("DT_UINT8", "int_val", [256] + [0] * 783)), "not 256"),
    "-1": (give(make_typed("DT_INT32", "int_val", [-1] + [0] * 783)), "not -1"),
    "half out of range": (give(make_typed("DT_HALF", "half_val", [70_000] + [0] * 783)), "not 70000"),
    "NaN": (give(make_content("DT_FLOAT", pixels(np.nan, "<f4"))), "image[0][0][0]"),
    "whole numbers where 0 to 1 is meant": (
        give(make_content("DT_UINT8", pixels(1, "u1")), ""),
        "must be floats; the signature pixels takes pixels from 0 to 255",
    ),
    "2 where 0 to 1 is meant": (give(make_content("DT_FLOAT", pixels(2, "<f4")), ""), "the signature pixels"),
    "0 to 1 where 0 to 255 is meant": (
        give(make_content("DT_FLOAT", pixels(0.5, "<f4"))),
        "the signature serving_default",
    ),
    "a picture among pixels": (give(make_typed("DT_STRING", "string_val", [PICTURE], (1,))), "images"),
    "pixels among pictures": (give(make_tensor(images(3)), "images"), "send numbers to the signature pixels"),
    "no picture": (give(make_typed("DT_STRING", "string_val", [b"hello"], (1,)), "images"), "image[0]"),
    "pictures in bytes": (give(make_content("DT_STRING", PICTURE, (1,)), "images"), "they are in `string_val`"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(name: str) -> None:
    """The call after it is answered."""

    async def test() -> None:
        request, message = WRONG[name]
        async with connect() as client:
            refusal = await refuse(client.predict(request))
            assert refusal.code() is CODES.INVALID_ARGUMENT
            assert message in str(refusal.details())
            assert read_classes(await client.predict(make_prediction())) == [3]

    run(test())


def make_spec(name: str, version: int | None) -> tfs.ModelSpec:
    """A model that is asked for."""
    spec = tfs.ModelSpec(name=name)
    if version is not None:
        spec.version.value = version
    return spec


@pytest.mark.parametrize(
    ("name", "version", "message"),
    [
        ("dummy_model", None, "Servable not found for request: Latest(dummy_model)"),
        (NAME, 2, f"Servable not found for request: Specific({NAME}, 2)"),
        (NAME, 0, f"Servable not found for request: Specific({NAME}, 0)"),
        ("", None, "Servable not found for request: Latest()"),
    ],
)
def test_other_models_and_versions_are_not_found(name: str, version: int | None, message: str) -> None:
    """The message is what health checks compare, to the letter."""

    async def test() -> None:
        spec = make_spec(name, version)
        async with connect() as client:
            prediction = change(lambda request: request.model_spec.CopyFrom(spec))
            metadata = tfs.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
            for method, request in ((PREDICT, prediction), (METADATA, metadata)):
                refusal = await refuse(client.start(method, request))
                assert (refusal.code(), refusal.details()) == (CODES.NOT_FOUND, message)
            refusal = await refuse(client.start(MODEL_STATUS, tfs.GetModelStatusRequest(model_spec=spec)))
            assert refusal.code() is CODES.NOT_FOUND

    run(test())


def test_the_signatures_are_described() -> None:
    """Each of them, with the types and the shapes of its tensors."""

    async def test() -> None:
        async with connect() as client:
            request = tfs.GetModelMetadataRequest(model_spec=make_spec(NAME, 1), metadata_field=["signature_def"])
            answer = await client.start(METADATA, request)
            assert answer.model_spec.version.value == 1
            found = tfs.SignatureDefMap()
            assert answer.metadata["signature_def"].Unpack(found)
            assert set(found.signature_def) == {"serving_default", "pixels", "images", "details"}
            signature = found.signature_def["serving_default"]
            assert signature.method_name == "tensorflow/serving/predict"
            assert signature.inputs["image"].dtype == tf.DT_FLOAT
            assert [dim.size for dim in signature.inputs["image"].tensor_shape.dim] == [-1, 28, 28, 1]
            assert [dim.size for dim in signature.outputs["probabilities"].tensor_shape.dim] == [-1, 10]

    run(test())


@pytest.mark.parametrize("fields", [[], ["nope"], ["signature_def", "nope"]])
def test_other_metadata_are_refused(fields: list[str]) -> None:
    """There is one kind, and the message names it."""

    async def test() -> None:
        async with connect() as client:
            request = tfs.GetModelMetadataRequest(model_spec=make_spec(NAME, None), metadata_field=fields)
            refusal = await refuse(client.start(METADATA, request))
            assert refusal.code() is CODES.INVALID_ARGUMENT
            assert "signature_def" in str(refusal.details())

    run(test())


def test_the_model_is_available_until_the_service_drains() -> None:
    """Then its state is not told."""

    async def test() -> None:
        async with connect() as client:
            request = tfs.GetModelStatusRequest(model_spec=make_spec(NAME, None))
            (status,) = (await client.start(MODEL_STATUS, request)).model_version_status
            assert (status.version, status.state) == (1, tfs.ModelVersionStatus.AVAILABLE)
            assert status.status.error_code == tfs.OK
            client.server.follower.service.drain()
            assert (await refuse(client.start(MODEL_STATUS, request))).code() is CODES.UNAVAILABLE

    run(test())


@pytest.mark.parametrize("method", ["Classify", "Regress", "MultiInference"])
def test_other_calls_are_not_implemented(method: str) -> None:
    """Those of the protocol that the service does not offer."""

    async def test() -> None:
        async with connect() as client:
            call: Any = client.channel.unary_unary(f"/{PREDICTION}{method}")
            assert (await refuse(call(b""))).code() is CODES.UNIMPLEMENTED

    run(test())
