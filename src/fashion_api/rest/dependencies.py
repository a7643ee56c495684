"""What routers take, as `Annotated` aliases."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import orjson
from fastapi import Depends, Path, Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError
from fashion_api.inference.loading import LoadedModel
from fashion_api.rest.problems import NOT_READY, TOO_LARGE, HttpError, to_response, too_slow
from fashion_api.service.batcher import Batcher
from fashion_api.settings import Settings
from fashion_api.wire.operation import LARGE_BODY_BYTES, Operation, Reply, RequestHead, find_header


@dataclass
class Service:
    """What is shared by all requests: made by the lifespan hook, found by the dependencies below."""

    settings: Settings
    model: LoadedModel
    batcher: Batcher
    test_set: Split | DataError
    """The test images, or why there are none."""
    reader: Executor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="reader"))
    """Reads large bodies beside the event loop; one thread, as reading holds the interpreter's lock: six that took
    turns at it had fewer images a second and 9 MB more memory. See benchmarks/README.md."""
    is_draining: bool = False

    @cached_property
    def model_id(self) -> orjson.Fragment:
        """Say which model answers: a `schemas.ModelId`, written."""
        return orjson.Fragment(orjson.dumps({"name": self.model.name, "version": self.model.version}))

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

    For the operations: called by FastAPI, the same handler took 20–43 µs more processor time a request (a JSON array,
    in runs side by side), and each dependency that it resolves comes on top.
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


async def answer(request: Request, operation: Operation) -> Response:
    """Have an operation answer a request that has come through the app.

    Raises:
        FashionError: it cannot be answered.
        ClientDisconnect: the caller has gone.
    """
    service = get_service_now(request)
    service.batcher.check_room(1)  # asked first, so that a refusal costs little
    scope = request.scope
    head = RequestHead("".join(request.path_params.values()), scope["query_string"], scope["headers"])
    body = b""
    if operation.check is not None:
        operation.check(head)
        body = await read_body(request, service.settings)
    if len(body) > LARGE_BODY_BYTES:
        loop = asyncio.get_running_loop()
        job = await loop.run_in_executor(service.reader, operation.read, service, head, body)
    else:
        job = operation.read(service, head, body)
    predictions = await service.batcher.classify(job.images)
    return to_response(Reply(200, "application/json", job.write(predictions)))


async def get_service(request: Request) -> Service:
    """Give the service, once it is ready."""
    return get_service_now(request)


ServiceDep = Annotated[Service, Depends(get_service)]


async def get_test_set(service: ServiceDep) -> Split:
    """Give the test set, where there is one."""
    return service.get_test_set()


TestSetDep = Annotated[Split, Depends(get_test_set)]


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
        raise too_slow(settings.request_timeout_s) from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _receive(request: Request) -> AsyncIterator[bytes]:
    has_more = True
    while has_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        yield message.get("body", b"")
        has_more = message.get("more_body", False)


def _declared_length(request: Request) -> int:
    declared = find_header(request.scope["headers"], b"content-length")
    return int(declared) if declared.isdecimal() else 0
