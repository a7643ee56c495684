"""What routers take, as `Annotated` aliases."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

from fastapi import Depends, Path, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from fashion_api.dataset import Split
from fashion_api.errors import NOT_READY, TOO_LARGE, TOO_SLOW, HttpError
from fashion_api.exceptions import DataError
from fashion_api.inference.batcher import Batcher
from fashion_api.inference.loading import LoadedModel
from fashion_api.schemas import ModelId
from fashion_api.settings import Settings


@dataclass
class Service:
    """What is shared by all requests: made by the lifespan hook, found by the dependencies below."""

    settings: Settings
    model: LoadedModel
    batcher: Batcher
    test_set: Split | DataError
    """The test images, or why there are none."""
    is_draining: bool = False

    @cached_property
    def model_id(self) -> ModelId:
        """Say which model answers."""
        return ModelId(name=self.model.name, version=self.model.version)

    def get_test_set(self) -> Split:
        """Give the test set, where there is one."""
        if isinstance(self.test_set, DataError):
            raise self.test_set
        return self.test_set

    def drain(self) -> None:
        """Say from now on that the service is not ready; what is asked is still answered."""
        self.is_draining = True


class DirectRoute(APIRoute):
    """A route whose handler takes the request and gives a response; FastAPI only describes it.

    For the routes that are called most: called by FastAPI, the same handler took 20–43 µs more processor time a request
    (a JSON array, in runs side by side), and each dependency that it resolves comes on top.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Give what is called with each request."""
        if self.dependencies:
            raise TypeError("a DirectRoute resolves no dependencies")
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def get_service_now(request: Request) -> Service:
    """Give the service, once it is ready."""
    service: Service | None = request.app.state.service
    if service is None:
        raise HttpError(NOT_READY, "the model is not loaded yet")
    return service


def admit(request: Request) -> Service:
    """Give the service, if it has room for one more image: asked first, so that a refusal costs little.

    Raises:
        OverloadedError: it has none.
    """
    service = get_service_now(request)
    service.batcher.check_room(1)
    return service


async def get_service(request: Request) -> Service:
    """Give the service, once it is ready."""
    return get_service_now(request)


ServiceDep = Annotated[Service, Depends(get_service)]


async def get_test_set(service: ServiceDep) -> Split:
    """Give the test set, where there is one."""
    return service.get_test_set()


TestSetDep = Annotated[Split, Depends(get_test_set)]


def to_response(answer: BaseModel) -> Response:
    """Write an answer that is already a valid model; FastAPI would validate it once more."""
    return Response(answer.model_dump_json(), media_type="application/json")


async def check_test_image_index(
    index: Annotated[int, Path(description="The image's place in the test set, from 0.", examples=[0])],
    test_set: TestSetDep,
) -> int:
    """Give the index in the path, if a test image has it."""
    return test_set.check_index(index)


TestImageIndex = Annotated[int, Depends(check_test_image_index)]


async def read_body(request: Request, settings: Settings) -> bytes:
    """Read a whole body, and no more of it than is accepted, whatever its Content-Length says.

    Raises:
        HttpError: it is too large, or did not arrive in time.
        ClientDisconnect: the caller has gone.
    """
    max_bytes = settings.max_upload_bytes
    refusal = HttpError(TOO_LARGE, f"the body is larger than the {max_bytes} bytes that are accepted")
    if _declared_length(request) > max_bytes:
        raise refusal
    chunks: list[bytes] = []
    received = 0
    try:
        async with asyncio.timeout(settings.request_timeout_s):
            async for chunk in _receive(request):
                received += len(chunk)
                if received > max_bytes:
                    raise refusal
                chunks.append(chunk)
    except TimeoutError:
        raise HttpError(TOO_SLOW, f"the body did not arrive within {settings.request_timeout_s:g} s") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _receive(request: Request) -> AsyncIterator[bytes]:
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        has_more = message.get("more_body", False)


def find_header(request: Request, name: bytes) -> str:
    """Give a header's value, or nothing; `name` in lower case. `Request.headers` would build a mapping of them all."""
    for key, value in request.scope["headers"]:
        if key == name:
            text: str = value.decode("latin-1")
            return text
    return ""


def _declared_length(request: Request) -> int:
    declared = find_header(request, b"content-length")
    return int(declared) if declared.isdecimal() else 0
