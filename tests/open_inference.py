"""Inference requests of the Open Inference Protocol, good ones and bad ones."""

import base64
import gzip
import json
import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from tests import picture_files
from tests.fakes import fake_test_set

PATH = "/v2/models/fake/infer"
LENGTH = "Inference-Header-Content-Length"
PIXELS = fake_test_set().images[9].tobytes()
"""An image of class 9, as bytes."""
VALUES = list(PIXELS)
PNG = base64.b64encode(picture_files.grey_png()).decode()
MAX_BYTES = 10 * 1024 * 1024
"""The default of the service."""
MAX_IMAGES = 256
"""The same."""

Headers = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """A body, and the headers that it needs."""

    body: bytes
    headers: Headers = ()


class Bad(NamedTuple):
    """A request that is refused."""

    request: Request
    message: str
    """What is said of it, among other words."""
    status: int = 400
    path: str = PATH


def tensor(**changes: object) -> dict[str, Any]:
    """An input; members that are `...` are left out."""
    members = {"name": "image", "shape": [1, 28, 28, 1], "datatype": "UINT8", "data": VALUES, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def infer(*inputs: object, **members: object) -> Request:
    """A request in JSON; without inputs, with a good one."""
    return Request(json.dumps({"inputs": list(inputs) or [tensor()], **members}).encode())


def infer_binary(
    content: bytes = PIXELS, *, size: object = ..., length: str | None = "", more: Headers = (), **changes: object
) -> Request:
    """A request with binary data; by default all lengths are right."""
    parameters = {"binary_data_size": len(content) if size is ... else size}
    text = infer(tensor(**{"data": ..., "parameters": parameters, **changes})).body
    fields = () if length is None else ((LENGTH, length or str(len(text))),)
    return Request(text + content, (*fields, *more))


def pack(*elements: bytes) -> bytes:
    """The elements of a tensor of bytes."""
    return b"".join(len(element).to_bytes(4, "little") + element for element in elements)


def _files(content: bytes) -> Request:
    return infer_binary(content, shape=[1], datatype="BYTES")


def _of(**changes: object) -> Request:
    return infer(tensor(**changes))


def _output(*outputs: object, **members: object) -> Request:
    return infer(outputs=list(outputs), **members)


def _values(value: object, position: int = 200) -> list[Any]:
    return [*VALUES[:position], value, *VALUES[position + 1 :]]


def _floats(value: float = 1.0) -> list[float]:
    return [value, *[0.0] * 783]


def _coded(coding: str, body: bytes) -> Request:
    return Request(body, (("Content-Encoding", coding),))


def _make_bomb() -> bytes:
    """A gigabyte of zeros in gzip: one block of a mebibyte, a thousand times."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * 1024 + b"\x03\x00" + bytes(4) + (1 << 30).to_bytes(4, "little")


_GOOD = infer().body
_BINARY = infer_binary()
_TEXT_LENGTH = len(_BINARY.body) - len(PIXELS)
_GZIP = gzip.compress(_GOOD)
_MANY_LISTS = b"[" * 100_000

BAD: Mapping[str, Bad] = {
    # The length of the JSON
    "header length over the body": Bad(infer_binary(length="99999"), "says 99999 bytes of JSON, but the body has"),
    "header length negative": Bad(infer_binary(length="-1"), "must be a number of bytes, not '-1'"),
    "header length no number": Bad(infer_binary(length="abc"), "must be a number of bytes, not 'abc'"),
    "header length of 40 digits": Bad(infer_binary(length="1" * 40), "must be a number of bytes"),
    "header length missing": Bad(infer_binary(length=None), f"before binary data, {LENGTH} must say"),
    "header length twice": Bad(infer_binary(more=((LENGTH, "1"),)), f"{LENGTH} is there twice"),
    "header length one too few": Bad(infer_binary(length=str(_TEXT_LENGTH - 1)), "is not JSON"),
    "header length one too many": Bad(infer_binary(length=str(_TEXT_LENGTH + 1)), "says 784 bytes, but 783 come"),
    "raw pixels, one too few": Bad(Request(PIXELS[1:], ((LENGTH, "0"),)), "has 783 values, but its shape"),
    "raw pixels of two images": Bad(Request(PIXELS * 2, ((LENGTH, "0"),)), "has 1568 values, but its shape"),
    "raw pixels, none": Bad(Request(b"", ((LENGTH, "0"),)), "has 0 values, but its shape"),
    # Binary data
    "binary size one less": Bad(infer_binary(size=783), "says 783 bytes, but 784 come after the JSON"),
    "binary size one more": Bad(infer_binary(size=785), "says 785 bytes, but 784 come after the JSON"),
    "binary size negative": Bad(infer_binary(size=-1), "must be a number of bytes, not -1"),
    "binary size huge": Bad(infer_binary(size=10**400), "more than 300 digits"),
    "binary size a text": Bad(infer_binary(size="784"), "must be a number of bytes, not a string"),
    "binary size a boolean": Bad(infer_binary(size=True), "must be a number of bytes, not a boolean"),
    "data null beside binary data": Bad(infer_binary(data=None), "inputs[0].data: must be a list, not null"),
    "binary size null": Bad(infer_binary(size=None), "must be a string, a number or a boolean, not null"),
    "a trailing byte": Bad(Request(_BINARY.body + b"x", _BINARY.headers), "says 784 bytes, but 785 come"),
    "bytes behind JSON": Bad(
        Request(_GOOD + b"abc", ((LENGTH, str(len(_GOOD))),)),
        "goes on for 3 bytes after its JSON",
    ),
    "binary data one byte short of the shape": Bad(infer_binary(PIXELS[1:]), "has 783 values, but its shape"),
    "binary data of half a number": Bad(infer_binary(bytes(785), datatype="UINT16"), "has 785 bytes, but each UINT16"),
    "binary data of another type": Bad(infer_binary(datatype="INT64"), "has 98 values, but its shape"),
    "data and binary size": Bad(_of(parameters={"binary_data_size": 784}), "has both `data` and the parameter"),
    "no data": Bad(_of(data=...), "has no data"),
    # Shapes
    "shape absent": Bad(_of(shape=...), "inputs[0].shape: is missing"),
    "shape empty": Bad(
        _of(shape=[]), "has the shape [], but must have [n, 28, 28, 1] or [n, 28, 28] or [n, 784]: n images, rows"
    ),
    "shape of no image": Bad(_of(shape=[0, 28, 28, 1], data=[]), "holds 0 images"),
    "shape negative": Bad(_of(shape=[-1, 28, 28, 1]), "holds -1 images"),
    "shape fractional": Bad(_of(shape=[1.5, 28, 28, 1]), "must have whole numbers, not 1.5"),
    "shape of wrong rank": Bad(_of(shape=[784]), "has the shape [784]"),
    "shape without the number": Bad(_of(shape=[28, 28, 1]), "has the shape [28, 28, 1]"),
    "shape with the channel first": Bad(_of(shape=[1, 1, 28, 28]), "has the shape [1, 1, 28, 28]"),
    "shape of 2^62 x 2^62": Bad(_of(shape=[2**62, 2**62]), "has the shape [4611686018427387904, 4611686018427387904]"),
    "shape of 16 x (2^60 + 2)": Bad(_of(shape=[16, 2**60 + 2]), "has the shape [16, 1152921504606846978]"),
    "shape of 2^60 images": Bad(_of(shape=[2**60, 784]), "holds 1152921504606846976 images"),
    "shape of one image too many": Bad(_of(shape=[MAX_IMAGES + 1, 784]), f"one request may hold 1 to {MAX_IMAGES}"),
    "shape of two images": Bad(_of(shape=[2, 28, 28, 1]), "has 784 values, but its shape [2, 28, 28, 1] means 1568"),
    "shape a text": Bad(_of(shape="x"), "inputs[0].shape: must be a list, not a string"),
    "shape null": Bad(_of(shape=None), "inputs[0].shape: must be a list, not null"),
    "shape of texts": Bad(_of(shape=["1", 28, 28, 1]), "must have whole numbers, not a string"),
    "shape of booleans": Bad(_of(shape=[True, 28, 28, 1]), "must have whole numbers, not a boolean"),
    "shape of a list": Bad(_of(shape=[[1], 28, 28, 1]), "must have whole numbers, not a list"),
    "shape of ten thousand": Bad(_of(shape=[1] * 10_000), "has the shape [1, 1, 1, 1, 1, …]"),
    # Data types
    "data type absent": Bad(_of(datatype=...), "inputs[0].datatype: is missing"),
    "data type that is none": Bad(_of(datatype="FOO"), "has the data type 'FOO', but must have one of UINT8"),
    "data type in lower case": Bad(_of(datatype="uint8"), "has the data type 'uint8'"),
    "data type for tables": Bad(_of(datatype="BOOL"), "has the data type 'BOOL'"),
    "data type a number": Bad(_of(datatype=8), "inputs[0].datatype: must be a string, not a number"),
    "data type BF16 in JSON": Bad(_of(datatype="BF16"), "BF16, which is read as binary data only"),
    "data type FP16 in JSON": Bad(_of(datatype="FP16"), "FP16, which is read as binary data only"),
    "pixels as bytes": Bad(_of(datatype="BYTES", shape=[784]), "must be a picture file in base64, not a number"),
    # Data
    "data short": Bad(_of(data=VALUES[1:]), "has 783 values, but its shape"),
    "data long": Bad(_of(data=[*VALUES, 0]), "has 785 values, but its shape"),
    "data long and wrong at its end": Bad(_of(data=[*VALUES, 256]), "image[784]: must be a whole number from 0 to 255"),
    "data short and wrong": Bad(_of(data=_values(256)[:700]), "image[200]: must be a whole number from 0 to 255"),
    "data empty": Bad(_of(data=[]), "has 0 values, but its shape"),
    "data ragged": Bad(_of(data=[VALUES[:28], VALUES[28:]]), "is ragged"),
    "data of lists and numbers": Bad(_of(data=[VALUES[:1], *VALUES[1:]]), "is ragged"),
    "data null": Bad(_of(data=None), "inputs[0].data: must be a list, not null"),
    "data an object": Bad(_of(data={}), "must be a list, not an object"),
    "data a text": Bad(_of(data="x"), "must be a list, not a string"),
    "data with a text": Bad(_of(data=_values("a")), "image[0][7][4]: must be a whole number from 0 to 255"),
    "data with a boolean": Bad(_of(data=_values(value=True)), "image[0][7][4]: must be a whole number from 0 to 255"),
    "data with null": Bad(_of(data=_values(None)), "not null"),
    "data with NaN": Bad(_of(data=_values(float("nan"))), "image[0][7][4]: must be a whole number"),
    "data with 256": Bad(
        _of(data=_values(256)), "image[0][7][4]: must be a whole number from 0 to 255 (UINT8), not 256"
    ),
    "the last of nested data with 256": Bad(
        _of(data=[[*row] for row in (VALUES[:392], _values(256, 783)[392:])]), "image[0][27][27]: must be"
    ),
    "data with -1": Bad(_of(data=_values(-1)), "from 0 to 255 (UINT8), not -1"),
    "data with 1.5": Bad(_of(data=_values(1.5)), "from 0 to 255 (UINT8), not 1.5"),
    "data with 256 of a wider type": Bad(
        _of(data=_values(256), datatype="INT64"), "image[0][7][4]: must be a whole number from 0 to 255, not 256"
    ),
    "data of a wider type below 0": Bad(_of(data=_values(-1), datatype="INT8"), "from 0 to 255, not -1"),
    "second image with 300": Bad(
        _of(shape=[2, 784], data=VALUES + _values(300, 783), datatype="INT16"), "image[1][27][27]: must be"
    ),
    "float NaN": Bad(
        _of(data=_floats(float("nan")), datatype="FP32"), "image[0][0][0]: must be a number from 0 to 255"
    ),
    "float infinite": Bad(_of(data=_floats(float("inf")), datatype="FP64"), "from 0 to 255, not inf"),
    "float over 255": Bad(_of(data=_floats(255.5), datatype="FP32"), "from 0 to 255, not 255.5"),
    "float of 400 digits": Bad(_of(data=_floats(10**400), datatype="FP32"), "more than 300 digits"),
    "floats from 0 to 1, not declared": Bad(
        _of(data=_floats(), datatype="FP32"), 'declare pixels from 0 to 1 by the parameter pixel_range: "0-1"'
    ),
    "floats over 1": Bad(
        _of(data=_floats(1.5), datatype="FP32", parameters={"pixel_range": "0-1"}),
        "from 0 to 1, not 1.5; send pixels from 0 to 255 without",
    ),
    "whole numbers from 0 to 1": Bad(
        _of(parameters={"pixel_range": "0-1"}),
        "pixels from 0 to 1 must be floats; send pixels from 0 to 255 without the parameter pixel_range",
    ),
    "a pixel range that is none": Bad(infer(parameters={"pixel_range": "0-2"}), "not '0-2'"),
    "five lists": Bad(_of(data=[[[[[1]]]]]), "has more than 4 lists within one another"),
    "100,000 brackets": Bad(Request(_MANY_LISTS), "too many brackets within one another"),
    "100,000 brackets in data": Bad(
        Request(_GOOD.replace(b'"data": [', b'"data": ' + _MANY_LISTS)), "too many brackets within one another"
    ),
    "300 brackets": Bad(_of(data=json.loads("[" * 300 + "1" + "]" * 300)), "has more than 4 lists"),
    "a million values": Bad(Request(b"[" + b"1," * 1_000_000 + b"1]"), "far more lists or values"),
    # Picture files
    "a length of bytes that lies": Bad(_files(b"\x09\0\0\0abc"), "image[0]: is cut short"),
    "millions of empty files": Bad(_files(bytes(4 * 100_000)), "has more elements than the 1 that its shape means"),
    "a length of bytes over the body": Bad(_files(b"\xff\xff\xff\xffabc"), "image[0]: is cut short"),
    "lengths of bytes past the body": Bad(
        infer_binary(pack(b"abc") + b"\x04\0\0\0abc", shape=[2], datatype="BYTES"), "image[1]: is cut short"
    ),
    "half a length of bytes": Bad(
        infer_binary(pack(b"abc") + b"\0\0", shape=[2], datatype="BYTES"), "image[1]: is cut short"
    ),
    "one element too many": Bad(_files(pack(b"a", b"b")), "has more elements than the 1 that its shape means"),
    "no picture": Bad(_files(pack(b"hello, world")), "image[0]: this is not a picture"),
    "an empty picture": Bad(_files(pack(b"")), "image[0]: the file is empty"),
    "a broken picture": Bad(_files(pack(picture_files.truncated_png())), "image[0]: the file begins"),
    "two broken pictures": Bad(
        _of(shape=[2], datatype="BYTES", data=["aGVsbG8=", "aGVsbG8="]), "image[0]: this is not a picture"
    ),
    "no base64": Bad(_of(data=["?"], shape=[1], datatype="BYTES"), "image[0]: the text is not base64"),
    "picture as a matrix": Bad(_of(data=[PNG], shape=[1, 1, 1], datatype="BYTES"), "but must have [n] or [n, 1]"),
    # Inputs
    "no input": Bad(Request(b'{"inputs": []}'), "inputs: is empty; the model has one input, image"),
    "inputs absent": Bad(Request(b"{}"), "inputs: is missing"),
    "inputs null": Bad(Request(b'{"inputs": null}'), "inputs: must be a list, not null"),
    "inputs an object": Bad(Request(b'{"inputs": {}}'), "inputs: must be a list, not an object"),
    "an input that is a list": Bad(infer([]), "inputs[0]: must be an object, not a list"),
    "two inputs": Bad(infer(tensor(), tensor(name="other")), "inputs[1].name: 'other' is no input"),
    "an input twice": Bad(infer(tensor(), tensor()), "inputs: has image 2 times"),
    "a wrong name": Bad(_of(name="other"), "inputs[0].name: 'other' is no input of the model; it has one, image"),
    "an input without a name": Bad(_of(name=...), "inputs[0].name: is missing"),
    "a name that is a number": Bad(_of(name=1), "inputs[0].name: must be a string, not a number"),
    "an input in shared memory": Bad(
        _of(data=..., parameters={"shared_memory_region": "r", "shared_memory_byte_size": 784}), "is in shared memory"
    ),
    # Outputs
    "an unknown output": Bad(_output({"name": "x"}), "outputs[0].name: 'x' is no output of the model; it has prob"),
    "an output twice": Bad(_output({"name": "label"}, {"name": "label"}), "outputs[1].name: label is asked for twice"),
    "an output without a name": Bad(_output({}), "outputs[0].name: is missing"),
    "an output that is a text": Bad(_output("label"), "outputs[0]: must be an object, not a string"),
    "outputs an object": Bad(infer(outputs={}), "outputs: must be a list, not an object"),
    "outputs null": Bad(infer(outputs=None), "outputs: must be a list, not null"),
    "an output in shared memory": Bad(
        _output({"name": "label", "parameters": {"shared_memory_region": "r"}}), "shared memory is not offered"
    ),
    "classification negative": Bad(
        _output({"name": "probabilities", "parameters": {"classification": -1}}), "must be a number of classes, not -1"
    ),
    "classification a text": Bad(
        _output({"name": "probabilities", "parameters": {"classification": "x"}}), "number of classes, not 'x'"
    ),
    "classification fractional": Bad(
        _output({"name": "probabilities", "parameters": {"classification": 1.5}}), "number of classes, not 1.5"
    ),
    "classification of labels": Bad(
        _output({"name": "label", "parameters": {"classification": 1}}), "is for the probabilities only"
    ),
    "binary data a text": Bad(
        _output({"name": "label", "parameters": {"binary_data": "yes"}}), "binary_data: must be a boolean, not a string"
    ),
    "binary output a number": Bad(
        infer(parameters={"binary_data_output": 1}), "binary_data_output: must be a boolean, not a number"
    ),
    # Parameters
    "parameters null": Bad(infer(parameters=None), "parameters: must be an object, not null"),
    "parameters of an input null": Bad(_of(parameters=None), "inputs[0].parameters: must be an object, not null"),
    "parameters of an output null": Bad(
        _output({"name": "label", "parameters": None}), "outputs[0].parameters: must be an object, not null"
    ),
    "parameters a list": Bad(infer(parameters=[]), "parameters: must be an object, not a list"),
    "a parameter a list": Bad(infer(parameters={"a": []}), "parameters.a: must be a string, a number or a boolean"),
    "a parameter an object": Bad(infer(parameters={"a": {}}), "parameters.a: must be a string, a number or a boolean"),
    "a parameter null": Bad(infer(parameters={"a": None}), "parameters.a: must be a string, a number or a boolean"),
    "a parameter of an input null": Bad(_of(parameters={"a": None}), "inputs[0].parameters.a: must be"),
    "parameters of an output a text": Bad(
        _output({"name": "label", "parameters": "x"}), "outputs[0].parameters: must be an object, not a string"
    ),
    "a reserved parameter": Bad(infer(parameters={"triton_x": 1}), "parameters.triton_x: names that begin with"),
    "a timeout negative": Bad(infer(parameters={"timeout": -1}), "must be a whole number of microseconds, not -1"),
    "a timeout that is over": Bad(infer(parameters={"timeout": 1}), "no answer within the request's time", 504),
    "a timeout a text": Bad(infer(parameters={"timeout": "x"}), "must be a whole number of microseconds, not 'x'"),
    "an id that is null": Bad(infer(id=None), "id: must be a string, not null"),
    "an id that is a number": Bad(infer(id=1), "id: must be a string, not a number"),
    # Bodies
    "invalid UTF-8": Bad(Request(b'{"id": "\xff", "inputs": []}'), "the body is not JSON"),
    "a byte-order mark": Bad(Request(b"\xef\xbb\xbf" + _GOOD), "begins with a byte-order mark"),
    "UTF-16": Bad(Request(_GOOD.decode().encode("utf-16")), "is in UTF-16 or UTF-32"),
    "an empty body": Bad(Request(b""), "the body is not JSON"),
    "no JSON": Bad(Request(b"hello"), "the body is not JSON: see line 1 column 1"),
    "a body null": Bad(Request(b"null"), "the body must be an object, not null"),
    "a body a list": Bad(Request(b"[]"), "the body must be an object, not a list"),
    "gzip that is cut": Bad(_coded("gzip", _GZIP[:-9]), "gzip that is cut short"),
    "gzip that is padded": Bad(_coded("gzip", _GZIP + b"padding"), "goes on after the end of its gzip"),
    "gzip that is padded with zeros": Bad(
        _coded("gzip", _GZIP + bytes(8)), "more than the 0 bytes that its end says", 413
    ),
    "no gzip": Bad(_coded("gzip", _GOOD), "is not gzip"),
    "no deflate": Bad(_coded("deflate", _GZIP), "is not deflate"),
    "a gigabyte in gzip": Bad(
        _coded("gzip", _make_bomb()), f"decodes to more than the {MAX_BYTES} bytes that are accepted", 413
    ),
    "another coding": Bad(_coded("br", _GOOD), "content coding 'br'; gzip, deflate and identity are read", 415),
    "a body over the limit": Bad(Request(_GOOD + b" " * MAX_BYTES), f"larger than the {MAX_BYTES} bytes", 413),
    # Models
    "an unknown model": Bad(
        Request(_GOOD), "Request for unknown model: 'nope' is not found", 404, "/v2/models/nope/infer"
    ),
    "an unknown version": Bad(
        Request(_GOOD), "Request for unknown model: 'fake' version 9", 404, "/v2/models/fake/versions/9/infer"
    ),
    "a version that is a text": Bad(
        Request(_GOOD), "Request for unknown model: 'fake' version abc", 404, "/v2/models/fake/versions/abc/infer"
    ),
    "a path that is none": Bad(Request(_GOOD), "there is nothing at", 404, "/v2/models/fake/inferred"),
}
"""Each names what is wrong with it."""
