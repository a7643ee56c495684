"""Inference by the Open Inference Protocol over REST: each form of a request and of an answer."""

import gzip
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from fashion_api.errors import InvalidRequestError
from fashion_api.service.service import Service
from fashion_api.settings import FASHION_MNIST_LABELS
from fashion_api.wire.open_inference import (
    INFER,
    INFER_VERSION,
    LEAST_PACKED_BYTES,
    choose_coding,
)
from fashion_api.wire.operation import Job, Reply, RequestHead, finish_steps
from tests import picture_files
from tests.fakes import FakeClassifier, NovelClassifier, fake_colour_model, fake_service, fake_test_set
from tests.open_inference import LENGTH, PIXELS, PNG, VALUES, Headers, Request, infer, infer_binary, pack, tensor

IMAGES = fake_test_set().images
OUTPUTS = ["probabilities", "label", "class_id", "probability", "novelty", "accepted"]
BINARY_TYPES = {"FP32": "<f4", "INT64": "<i8", "BOOL": "?"}


@pytest.fixture(scope="module")
def service() -> Service:
    return fake_service(NovelClassifier())


def read(service: Service, request: Request, path: tuple[str, ...] = ("fake",)) -> Job[Reply]:
    """Read a request."""
    operation = INFER if len(path) == 1 else INFER_VERSION
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers]
    found = operation.read(service, RequestHead(path, b"", headers), request.body)
    return found if isinstance(found, Job) else finish_steps(found)


def ask(service: Service, request: Request, path: tuple[str, ...] = ("fake",)) -> Reply:
    """Have a request answered."""
    job = read(service, request, path)
    return job.write(service.model.classifier.classify(job.images))


def read_json(reply: Reply) -> dict[str, Any]:
    """Read an answer in JSON."""
    assert (reply.status, reply.media_type) == (200, "application/json")
    assert LENGTH.lower().encode() not in dict(reply.headers)
    found: dict[str, Any] = json.loads(reply.body)
    return found


def read_binary(reply: Reply) -> tuple[dict[str, Any], bytes]:
    """Read an answer with binary data."""
    length = int(dict(reply.headers)[LENGTH.lower().encode()])
    assert reply.media_type == "application/octet-stream"
    return json.loads(reply.body[:length]), reply.body[length:]


def test_answer_has_what_clients_read(service: Service) -> None:
    """The answer names model and version, its digest, and the probabilities; nothing else is made up."""
    reply = ask(service, infer())
    assert dict(reply.headers) == {b"cache-control": b"no-store", b"x-model-version": b"0123456789ab"}
    answer = read_json(reply)
    (output,) = answer.pop("outputs")
    assert answer == {"model_name": "fake", "model_version": "1", "parameters": {"digest": "0123456789ab"}}
    assert {name: output[name] for name in ("name", "datatype", "shape")} == {
        "name": "probabilities",
        "datatype": "FP32",
        "shape": [1, 10],
    }
    np.testing.assert_allclose(output["data"], [0.01] * 9 + [0.91])


@pytest.mark.parametrize(
    ("members", "echo"),
    [({}, {}), ({"id": ""}, {}), ({"id": "Größe\u2028"}, {"id": "Größe\u2028"})],
)
def test_id_is_given_back(service: Service, members: dict[str, Any], echo: dict[str, str]) -> None:
    """An id that is not empty is in the answer too."""
    answer = read_json(ask(service, infer(**members)))
    assert {name: answer[name] for name in answer.keys() & {"id"}} == echo


@pytest.mark.parametrize(
    "changes",
    [
        {"data": IMAGES[9].tolist(), "shape": [1, 28, 28]},
        {"data": IMAGES[9].reshape(1, 28, 28, 1).tolist()},
        {"data": [VALUES], "shape": [1, 784]},
        {"shape": [1.0, 28, 28, 1]},
        {"data": [float(value) for value in VALUES]},
        {"datatype": "FP32"},
        {"datatype": "INT64", "parameters": {"content_type": "np"}},
        {"datatype": "FP64", "data": [value / 255 for value in VALUES], "parameters": {"pixel_range": "0-1"}},
        {"datatype": "BYTES", "shape": [1], "data": [PNG]},
        {"datatype": "BYTES", "shape": [1, 1], "data": [[PNG]]},
        {"parameters": {}},
        {"unknown": {"a": []}},
    ],
    ids=[
        "nested",
        "nested in four",
        "nested in two",
        "a shape of 1.0",
        "values of 1.0",
        "floats",
        "a wide type",
        "fractions",
        "a picture",
        "a picture in a row",
        "empty parameters",
        "an unknown member",
    ],
)
def test_every_form_of_an_image_is_read(service: Service, changes: dict[str, Any]) -> None:
    """The same image is read from each form of JSON that is accepted."""
    expected = picture_files.PIXELS if changes.get("datatype") == "BYTES" else IMAGES[9]
    np.testing.assert_array_equal(read(service, infer(tensor(**changes))).images, [expected])


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (PIXELS, {}),
        (IMAGES[9].astype("<u2").tobytes(), {"datatype": "UINT16"}),
        (IMAGES[9].astype("<i8").tobytes(), {"datatype": "INT64"}),
        (IMAGES[9].astype("<f2").tobytes(), {"datatype": "FP16", "shape": [1, 784]}),
        ((IMAGES[9].astype("<f4").view("<u4") >> 16).astype("<u2").tobytes(), {"datatype": "BF16"}),
        (IMAGES[9].astype("<f8").tobytes(), {"datatype": "FP64", "shape": [1, 28, 28]}),
    ],
    ids=["UINT8", "UINT16", "INT64", "FP16", "BF16", "FP64"],
)
def test_binary_pixels_are_read(service: Service, content: bytes, changes: dict[str, Any]) -> None:
    """The same image is read from the bytes of each type."""
    np.testing.assert_array_equal(read(service, infer_binary(content, **changes)).images, IMAGES[9:10])


def test_same_json_again_is_read_with_the_data_behind_it(service: Service) -> None:
    """What was read of a caller's JSON holds for that JSON, not for the data, the model or the names that are set."""
    first, second = infer_binary(), infer_binary(IMAGES[3].tobytes())
    short = first._replace(body=first.body[:-1])
    for request, image in ((first, IMAGES[9]), (second, IMAGES[3]), (first, IMAGES[9])):
        np.testing.assert_array_equal(read(service, request).images, [image])
    with pytest.raises(InvalidRequestError, match="says 784 bytes, but 783 come"):
        read(service, short)
    with pytest.raises(InvalidRequestError, match="'image' is no input of the model; it has one, x"):
        read(fake_service(served_input="x"), first)


def test_output_of_the_same_json_is_that_of_the_model(service: Service) -> None:
    """A model that comes in another's place may have other outputs."""
    text = infer(tensor(data=..., parameters={"binary_data_size": 784}), outputs=[{"name": "novelty"}]).body
    request = Request(text + PIXELS, ((LENGTH, str(len(text))),))
    assert read_json(ask(service, request))["outputs"][0]["name"] == "novelty"
    with pytest.raises(InvalidRequestError, match="'novelty' is no output of the model"):
        read(fake_service(FakeClassifier()), request)


def test_binary_pictures_are_read(service: Service) -> None:
    """Picture files are read from bytes, each with its length."""
    content = pack(picture_files.grey_png(), picture_files.grey_jpeg())
    assert read(service, infer_binary(content, shape=[2], datatype="BYTES")).images.shape == (2, 28, 28)


def test_range_of_the_input_is_before_that_of_the_request(service: Service) -> None:
    """`pixel_range` may be the request's or the input's, which is the more exact one."""
    fractions = tensor(datatype="FP32", data=[value / 9 for value in VALUES])
    whole = {**fractions, "data": [value * 1.0 for value in VALUES], "parameters": {"pixel_range": "0-255"}}
    images = [read(service, infer(given, parameters={"pixel_range": "0-1"})).images for given in (fractions, whole)]
    assert [int(image[0, 0, 0]) for image in images] == [255, 9]


def test_large_request_is_read_in_steps(service: Service) -> None:
    """JSON that takes long to parse leaves others their turns."""
    images = 40
    request = infer(tensor(shape=[images, 784], data=VALUES * images))
    found = INFER.read(service, RequestHead(("fake",), b"", ()), request.body)
    assert not isinstance(found, Job)
    assert finish_steps(found).images.shape == (images, 28, 28)


def test_as_many_nested_images_as_a_request_may_hold_are_read(service: Service) -> None:
    """The most images, each pixel in a list of its own, are not taken for too many lists."""
    most = service.settings.max_images_per_request
    request = infer(tensor(shape=[most, 28, 28, 1], data=[IMAGES[9].reshape(28, 28, 1).tolist()] * most))
    assert len(read(service, request).images) == most


def test_image_in_colour_is_read() -> None:
    """A model in colour takes its three channels last, and raw bytes in that order."""
    service = fake_service(model=fake_colour_model())
    pixels = np.arange(3072).astype(np.uint8)
    shaped = pixels.reshape(1, 32, 32, 3)
    for request in (
        infer(tensor(shape=[1, 32, 32, 3], data=pixels.tolist())),
        infer(tensor(shape=[1, 32, 32, 3], data=shaped.tolist())),
        Request(pixels.tobytes(), ((LENGTH, "0"),)),
    ):
        np.testing.assert_array_equal(read(service, request).images, shaped)


@pytest.mark.parametrize("is_binary", [False, True], ids=["JSON", "binary"])
def test_outputs_are_written_as_asked_for(service: Service, *, is_binary: bool) -> None:
    """All outputs come in the order of the request, as JSON or behind it."""
    asked = [{"name": name, "parameters": {"binary_data": is_binary}} for name in reversed(OUTPUTS)]
    images = np.concatenate([IMAGES[9], IMAGES[2]])
    images[27, 27] = 30  # too novel
    reply = ask(service, infer(tensor(shape=[2, 784], data=images.ravel().tolist()), outputs=asked))
    answer, rest = read_binary(reply) if is_binary else (read_json(reply), b"")
    found: dict[str, Any] = {}
    for output in answer["outputs"]:
        if is_binary:
            size = output["parameters"]["binary_data_size"]
            found[output["name"]], rest = _unpack(output["datatype"], rest[:size]), rest[size:]
        else:
            found[output["name"]] = output["data"]
    assert list(found) == [output["name"] for output in asked]
    assert rest == b""
    assert found["label"] == ["Ankle boot", "Pullover"]
    assert found["class_id"] == [9, 2]
    np.testing.assert_allclose(found["probability"], [0.91, 0.91])
    np.testing.assert_allclose(found["novelty"], [1.5, 0.0])
    assert found["accepted"] == [False, True]
    np.testing.assert_allclose(np.reshape(found["probabilities"], (2, 10)).argmax(axis=1), [9, 2])


def _unpack(datatype: str, content: bytes) -> list[Any]:
    if datatype != "BYTES":
        found: list[Any] = np.frombuffer(content, BINARY_TYPES[datatype]).tolist()
        return found
    texts = []
    while content:
        end = 4 + int.from_bytes(content[:4], "little")
        texts.append(content[4:end].decode())
        content = content[end:]
    return texts


@pytest.mark.parametrize(
    ("of_request", "of_output", "is_binary"),
    [
        ({}, {}, False),
        ({"binary_data_output": True}, {}, True),
        ({"binary_data_output": True}, {"binary_data": False}, False),
        ({"binary_data_output": False}, {"binary_data": True}, True),
    ],
    ids=str,
)
def test_output_says_more_exactly_than_the_request_where_its_values_are(
    service: Service, of_request: dict[str, bool], of_output: dict[str, bool], *, is_binary: bool
) -> None:
    """`binary_data_output` holds for outputs that do not say otherwise."""
    asked = [{"name": "label", "parameters": of_output}]
    reply = ask(service, infer(outputs=asked, parameters=of_request))
    assert (reply.media_type == "application/octet-stream") is is_binary


def test_binary_and_json_outputs_may_be_mixed(service: Service) -> None:
    """An output in JSON stands between two in binary, which follow each other behind it."""
    asked = [
        {"name": name, "parameters": {"binary_data": name != "label"}} for name in ("class_id", "label", "accepted")
    ]
    answer, rest = read_binary(ask(service, infer(outputs=asked)))
    assert ["data" in output for output in answer["outputs"]] == [False, True, False]
    assert rest == (9).to_bytes(8, "little") + b"\x01"


def test_no_outputs_are_the_probabilities(service: Service) -> None:
    """An empty list of outputs is as none, also for the place of the values."""
    assert ask(service, infer(outputs=[])) == ask(service, infer())
    assert (
        read_binary(ask(service, infer(outputs=[], parameters={"binary_data_output": True})))[1][-4:]
        == np.float32(0.91).tobytes()
    )


@pytest.mark.parametrize(("classes", "most"), [(1, 1), (3, 3), (10, 10), (99, 10)])
@pytest.mark.parametrize("is_binary", [False, True], ids=["JSON", "binary"])
def test_classes_are_described(service: Service, classes: int, most: int, *, is_binary: bool) -> None:
    """The most probable classes come as texts, no more than there are."""
    parameters = {"classification": classes, "binary_data": is_binary}
    reply = ask(service, infer(outputs=[{"name": "probabilities", "parameters": parameters}]))
    answer, rest = read_binary(reply) if is_binary else (read_json(reply), b"")
    (output,) = answer["outputs"]
    assert (output["datatype"], output["shape"]) == ("BYTES", [1, most])
    texts = _unpack("BYTES", rest) if is_binary else output["data"]
    others = [f"0.010000:{index}:{label}" for index, label in enumerate(FASHION_MNIST_LABELS[:9])]
    assert texts == ["0.910000:9:Ankle boot", *others][:most]


def test_no_classes_are_the_numbers(service: Service) -> None:
    """0 classes are as none asked for."""
    asked = {"name": "probabilities", "parameters": {"classification": 0}}
    assert ask(service, infer(outputs=[asked])) == ask(service, infer())


@pytest.mark.parametrize(
    ("given", "timeout_s"),
    [({}, math.inf), ({"timeout": 0}, math.inf), ({"timeout": 1500}, 0.0015), ({"timeout": 2e6}, 2)],
)
def test_timeout_is_in_microseconds(service: Service, given: dict[str, float], timeout_s: float) -> None:
    """The caller's deadline goes with the job; 0 is none."""
    assert read(service, infer(parameters={"priority": 1, "sequence_id": 3, **given})).timeout_s == timeout_s


def test_names_are_those_that_are_set() -> None:
    """The model, its version, its input and its output are called what clients call them."""
    service = fake_service(served_name="mnist", served_version=7, served_input="x", served_output="y")
    answer = read_json(ask(service, infer(tensor(name="x"), outputs=[{"name": "y"}]), ("mnist", "7")))
    assert (answer["model_name"], answer["model_version"], answer["outputs"][0]["name"]) == ("mnist", "7", "y")


def test_output_that_the_model_does_not_have_is_unknown() -> None:
    """A model that scores no novelty has no such output."""
    with pytest.raises(InvalidRequestError, match="'novelty' is no output of the model"):
        ask(fake_service(FakeClassifier()), infer(outputs=[{"name": "novelty"}]))


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("", ""),
        ("identity", ""),
        ("*", ""),
        ("br", ""),
        ("zstd, br;q=1.0", ""),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0", ""),
        ("gzip;q=0.000, deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("deflate, gzip", "deflate"),
        ("deflate;q=0.5, gzip;q=1.0", "gzip"),
        ("gzip ; q = 0.1 , deflate ; q=0.2", "deflate"),
        ("gzip;q=x, deflate;q=..", ""),
        ("gzipped", ""),
    ],
    ids=str,
)
def test_coding_is_one_that_the_caller_names(accepted: str, coding: str) -> None:
    """An answer is packed by gzip or deflate if the caller names it, and by nothing else."""
    assert choose_coding(accepted) == coding


_CODINGS: Mapping[str, Any] = {"gzip": gzip.decompress, "deflate": zlib.decompress}


@pytest.mark.parametrize("is_binary", [False, True], ids=["JSON", "binary"])
@pytest.mark.parametrize("coding", _CODINGS)
def test_large_answer_is_packed(service: Service, coding: str, *, is_binary: bool) -> None:
    """An answer of 1 KiB and more is packed where its caller reads that; the length is that of the JSON before it."""
    images = 40
    given = infer(tensor(shape=[images, 784], data=VALUES * images), parameters={"binary_data_output": is_binary})
    plain = ask(service, given)
    packed = ask(service, given._replace(headers=(("Accept-Encoding", coding),)))
    assert len(plain.body) >= LEAST_PACKED_BYTES > len(packed.body)
    assert _CODINGS[coding](packed.body) == plain.body
    assert packed.headers == (*plain.headers, (b"content-encoding", coding.encode()))
    assert (b"vary", b"accept-encoding") in plain.headers


def test_small_answer_is_not_packed(service: Service) -> None:
    """An answer below 1 KiB would hardly be smaller."""
    headers: Headers = (("Accept-Encoding", "gzip"),)
    assert ask(service, infer()._replace(headers=headers)) == ask(service, infer())
