"""What routers take, as `Annotated` aliases."""

import secrets
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

from fastapi import Depends, Path, Request, Response, Security
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from fashion_api.dataset import Split
from fashion_api.errors import NOT_READY, TOO_LARGE, UNAUTHORIZED, HttpError
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


def get_service_now(request: Request) -> Service:
    """Give the service, once it is ready.

    For the routes that are called most: FastAPI takes 15–25 µs of processor time to resolve each dependency, as long as
    it takes to decode an image; the others take `ServiceDep`.
    """
    service: Service | None = request.app.state.service
    if service is None:
        raise HttpError(NOT_READY, "the model is not loaded yet")
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


async def stream_body(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """Read a body piece by piece, and no more of it than is accepted, whatever its Content-Length says."""
    refusal = HttpError(TOO_LARGE, f"the body is larger than the {max_bytes} bytes that are accepted")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise refusal
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > max_bytes:
            raise refusal
        yield chunk


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a whole body.

    Raises:
        HttpError: it is larger than `max_bytes`.
    """
    return b"".join([chunk async for chunk in stream_body(request, max_bytes)])


_key_header = APIKeyHeader(name="X-API-Key", auto_error=False, description="One of FASHION_API_KEYS.")
_bearer = HTTPBearer(auto_error=False, description="One of FASHION_API_KEYS.")


async def require_api_key(
    request: Request,
    key: Annotated[str | None, Security(_key_header)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Let only callers pass who show one of the service's keys."""
    settings: Settings = request.app.state.settings
    shown = (key or (bearer.credentials if bearer else "")).encode()
    accepted = [known.get_secret_value().encode() for known in settings.api_keys]
    # Each is compared, so that the time taken tells nothing of which one was near.
    if not any([secrets.compare_digest(shown, known) for known in accepted]):  # noqa: C419  # see above
        raise HttpError(UNAUTHORIZED, "a valid API key is needed: X-API-Key: KEY, or Authorization: Bearer KEY")
