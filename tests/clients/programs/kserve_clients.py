"""Asks with the clients of `kserve` for REST v1, REST v2 and gRPC: every call that they have. Usage: see served.py."""

import inspect
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import grpc
import httpx
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput
from numpy.typing import NDArray
from PIL import Image
from served import Served, report

INPUT, OUTPUT = "image", "probabilities"
CALLS = {"close", "explain", "infer", "is_model_ready", "is_server_live", "is_server_ready"}
"""What the checks below call; `explain` of the REST client only."""


def connect(protocol: str) -> InferenceRESTClient:
    return InferenceRESTClient(RESTConfig(protocol=protocol, retries=0))


def write(served: Served, count: int, *, is_binary: bool, is_output_binary: bool | None = None) -> InferRequest:
    """Write a request for the first images."""
    images = served.images[:count]
    image = InferInput(INPUT, list(images.shape), "UINT8")
    image.set_data_from_numpy(images, binary_data=is_binary)
    outputs = None if is_output_binary is None else [RequestedOutput(OUTPUT, {"binary_data": is_output_binary})]
    return InferRequest(served.model, [image], request_id="42", request_outputs=outputs)


async def ask_v1_health(served: Served) -> None:
    """The server lives, and the model is ready."""
    async with connect("v1") as client:
        assert await client.is_server_live(served.url) is True
        assert await client.is_model_ready(served.url, served.model) is True


async def ask_v2_health(served: Served) -> None:
    """The server lives and is ready, and so is the model."""
    async with connect("v2") as client:
        assert await client.is_server_live(served.url) is True
        assert await client.is_server_ready(served.url) is True
        assert await client.is_model_ready(served.url, served.model) is True
        assert await client.is_model_ready(served.url, "nope") is False


async def classify_v1(served: Served) -> None:
    """Rows of floats, pixels by their signature, and picture files."""
    images = served.images
    pictures = [{"b64": b64encode(draw(image[..., 0])).decode()} for image in images]
    async with connect("v1") as client:
        for data in (
            {"instances": (images / 255).tolist()},
            {"signature_name": "pixels", "instances": images.tolist()},
            {"signature_name": "images", "instances": pictures},
        ):
            given = await client.infer(served.url, data, model_name=served.model)
            served.hold_against(given["predictions"])


def draw(image: NDArray[Any]) -> bytes:
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


async def classify_v2(served: Served) -> None:
    """JSON and binary, on either side; and a request that is a dictionary."""
    everything = len(served.images)
    async with connect("v2") as client:
        for is_binary in (False, True):
            for is_output_binary in (None, False, True):
                request = write(served, everything, is_binary=is_binary, is_output_binary=is_output_binary)
                given = await client.infer(served.url, request, model_name=served.model)
                served.hold_against(given.get_output_by_name(OUTPUT).as_numpy())
                assert (given.id, given.model_name) == ("42", served.model)
        tensor = {
            "name": INPUT,
            "shape": [1, 28, 28, 1],
            "datatype": "UINT8",
            "data": served.images[0].ravel().tolist(),
        }
        headers: dict[str, str] = {}
        given = await client.infer(served.url, {"inputs": [tensor]}, model_name=served.model, response_headers=headers)
        served.hold_against(given.outputs[0].as_numpy())
        assert headers["content-type"] == "application/json"


async def miss_a_model(served: Served) -> None:
    """The service's own words reach the caller where there is no such model."""
    with raises(httpx.HTTPStatusError, "404", "nope"):
        async with connect("v1") as client:
            await client.infer(served.url, {"instances": [[0]]}, model_name="nope")
    with raises(httpx.HTTPStatusError, "404", "nope"):
        async with connect("v1") as client:
            await client.is_model_ready(served.url, "nope")
    with raises(httpx.HTTPStatusError, "404", "Request for unknown model"):
        async with connect("v2") as client:
            await client.infer(served.url, write(served, 1, is_binary=False), model_name="nope")


async def explain(served: Served) -> None:
    """Explanations are refused in words."""
    with raises(httpx.HTTPStatusError, "400"):
        async with connect("v1") as client:
            await client.explain(served.url, served.model, {"instances": (served.images[:1] / 255).tolist()})


async def ask_wrongly(served: Served) -> None:
    """What is wrong with a request is said in words."""
    with raises(httpx.HTTPStatusError, "400"):
        async with connect("v1") as client:
            await client.infer(served.url, {"instances": [[1, 2], [3]]}, model_name=served.model)
    with raises(httpx.HTTPStatusError, "400"):
        async with connect("v2") as client:
            await client.infer(served.url, {"inputs": []}, model_name=served.model)


async def ask_grpc(served: Served) -> None:
    """Health, and all images, in one message and in the fields for their type."""
    async with InferenceGRPCClient(served.grpc_address) as client:
        assert await client.is_server_live() is True
        assert await client.is_server_ready() is True
        assert await client.is_model_ready(served.model) is True
        assert await client.is_model_ready("nope") is False
        for is_binary in (True, False):
            given = await client.infer(write(served, len(served.images), is_binary=is_binary))
            served.hold_against(given.get_output_by_name(OUTPUT).as_numpy())
            assert (given.id, given.model_name, given.model_version) == ("42", served.model, "1")


async def ask_grpc_wrongly(served: Served) -> None:
    """An unknown model has the code for it; the next request is answered."""
    async with InferenceGRPCClient(served.grpc_address) as client:
        request = write(served, 1, is_binary=True)
        request.model_name = "nope"
        try:
            await client.infer(request)
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
            assert "Request for unknown model" in error.details()
        else:
            raise AssertionError("answered")
        given = await client.infer(write(served, 1, is_binary=True))
        served.hold_against(given.outputs[0].as_numpy())


async def make_every_call(_: Served) -> None:
    """The checks leave out none of the clients' methods."""
    for client in (InferenceRESTClient, InferenceGRPCClient):
        methods = {name for name, _ in inspect.getmembers(client, callable) if not name.startswith("_")}
        assert methods <= CALLS, methods - CALLS


@contextmanager
def raises(error: type[Exception], *words: str) -> Iterator[None]:
    """Expect an error with a message of the service's own before these words."""
    try:
        yield
    except error as raised:
        message = str(raised)
        assert not message.startswith(","), f"no message of the service's: {message}"
        assert all(word in message for word in words), message
    else:
        raise AssertionError("answered")


if __name__ == "__main__":
    checks = (
        ask_v1_health,
        ask_v2_health,
        classify_v1,
        classify_v2,
        miss_a_model,
        explain,
        ask_wrongly,
        ask_grpc,
        ask_grpc_wrongly,
        make_every_call,
    )
    report((check.__name__, check) for check in checks)
