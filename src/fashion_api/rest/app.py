"""create_app(): the lifespan, the routers and the exception handlers; the one place where the parts are joined."""

import asyncio
import functools
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import DataError, FashionError
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.rest import problems as errors
from fashion_api.rest.dependencies import Service
from fashion_api.rest.middleware.api_keys import ApiKeyMiddleware, ApiKeys, describe_keys
from fashion_api.rest.middleware.request_log import RequestLog, RequestLogMiddleware
from fashion_api.rest.routes import documentation, flask_api, health, model, predictions
from fashion_api.rest.routes import labelled_images as test_images
from fashion_api.server.signals import announce_sigterm
from fashion_api.service.batcher import Batcher
from fashion_api.settings import Settings

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Which garment is this? Answers for Fashion-MNIST test images, 28×28 arrays and uploaded pictures.

Pictures are of the data set's kind: 28×28 pixels, grey, the article light on black. Errors are
`application/problem+json` (RFC 9457); [their kinds](problems).
"""


_INLINE_LIMIT_S = 0.002  # no longer than decoding a large body holds the event loop up; see docs/adr/0004

_ROUTERS = (
    predictions.router,
    test_images.router,
    model.router,
    flask_api.router,
    health.router,
    documentation.router,
)
OPEN_PATHS = (
    *(
        route.path
        for router in (health.router, documentation.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ),
    "/openapi.json",
    f"{documentation.STATIC_PATH}/",
)
"""What needs no API key: probes and documentation."""

OPERATIONS = (test_images.PREDICT_TEST_IMAGE, predictions.PREDICT_IMAGES, predictions.PREDICT_UPLOAD)
"""What is answered below the app where the server can; see docs/adr/0007."""

ModelLoader = Callable[[Settings], LoadedModel]
TestSetLoader = Callable[[Settings, LoadedModel], Split]


def load_test_set(settings: Settings, model: LoadedModel) -> Split:
    """Load the test set, whose classes and image size are the model's.

    Raises:
        DataError: it is nowhere, or cannot be used.
    """
    shape = (model.input.height, model.input.width)
    return DataSource.from_settings(settings, labels=model.labels, shape=shape).load("test")


def create_app(
    settings: Settings,
    *,
    load_model: ModelLoader = load_model,
    load_test_set: TestSetLoader = load_test_set,
) -> FastAPI:
    """Build the app; the model and the test set are loaded when it starts, by what is passed in."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            model, test_set = await asyncio.to_thread(_load, settings, load_model, load_test_set)
        except FashionError as error:
            logger.critical("cannot start: %s", error)
            raise
        except Exception:
            logger.critical("cannot start", exc_info=True)
            raise
        service = Service(settings, model, _make_batcher(settings, model), test_set)
        app.state.service = service
        gc.freeze()  # what is there now stays: the collector need not walk it again, 36 ms each time
        logger.info("ready")
        try:
            with announce_sigterm(service.drain, delay_s=settings.drain_delay_s):
                yield
        finally:
            service.drain()
            await service.batcher.aclose()
            service.reader.shutdown(wait=False)
            app.state.service = None

    app = FastAPI(
        title="fashion-api",
        version=version("fashion-api"),
        summary="Classifies Fashion-MNIST images with a pretrained Keras model.",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # the pages are our own, see routers/documentation.py
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.service = None
    app.state.api_keys = ApiKeys(settings.api_keys)
    if settings.api_keys:
        app.add_middleware(ApiKeyMiddleware, keys=app.state.api_keys, open_paths=OPEN_PATHS)
    app.state.request_log = RequestLog()
    app.add_middleware(RequestLogMiddleware, request_log=app.state.request_log)  # the last added is the outermost
    errors.add_exception_handlers(app)
    for router in _ROUTERS:  # the routes themselves: an included router took 10–30 µs more a request to match
        app.router.routes.extend(router.routes)
    app.mount(documentation.STATIC_PATH, documentation.make_static_files())
    describe = functools.partial(_describe, app, app.openapi, needs_key=bool(settings.api_keys))
    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to extend it
    return app


def _load(
    settings: Settings, load_model: ModelLoader, load_test_set: TestSetLoader
) -> tuple[LoadedModel, Split | DataError]:
    model = load_model(settings)
    try:
        return model, load_test_set(settings, model)
    except DataError as error:
        logger.warning("serving without a test set: %s", error)
        return model, error


def _make_batcher(settings: Settings, model: LoadedModel) -> Batcher:
    return Batcher(
        model.classifier,
        max_batch_size=settings.max_batch_size,
        max_queue_size=settings.max_queue_size,
        timeout_s=settings.request_timeout_s,
        inline_limit_s=_INLINE_LIMIT_S,
    )


def _describe(app: FastAPI, describe: Callable[[], dict[str, Any]], *, needs_key: bool) -> dict[str, Any]:
    """Complete what FastAPI says of the routes in OpenAPI; once, then it is kept."""
    if app.openapi_schema is None:
        openapi = errors.correct_media_types(describe())
        if needs_key:
            describe_keys(openapi, OPEN_PATHS)
    return describe()
