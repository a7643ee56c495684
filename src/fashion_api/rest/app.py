"""`create_app`: the one place where the parts of the HTTP service are joined."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from fashion_api.data.dataset import DataSource, Split
from fashion_api.errors import DataError, FashionError, SettingsError
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.rest.dependencies import OperationRouter
from fashion_api.rest.fast_path import FastPath
from fashion_api.rest.middleware.api_keys import ApiKeyMiddleware
from fashion_api.rest.middleware.errors import ErrorMiddleware
from fashion_api.rest.middleware.forwarded import ForwardedMiddleware
from fashion_api.rest.middleware.head import HeadMiddleware
from fashion_api.rest.middleware.overload import OverloadMiddleware
from fashion_api.rest.middleware.request_log import RequestLog, RequestLogMiddleware
from fashion_api.rest.openapi import complete_openapi
from fashion_api.rest.problems import add_exception_handlers
from fashion_api.rest.routes import (
    documentation,
    explanations,
    flask_api,
    health,
    labelled_images,
    model,
    page,
    predictions,
    preparations,
)
from fashion_api.rest.routes import metrics as metrics_route
from fashion_api.rest.watch import Watch
from fashion_api.service.decoder import Decoder
from fashion_api.service.events import RequestEvent
from fashion_api.service.following import ModelFollower, look_at
from fashion_api.service.limits import BodyMemory, RequestLimit, find_max_prepared
from fashion_api.service.metrics import Metrics
from fashion_api.service.service import Service, make_batcher
from fashion_api.settings import Settings
from fashion_api.wire.operation import Operation

logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Which garment is this? Answers for Fashion-MNIST test images, 28×28 arrays and uploaded pictures.

Pictures are of the data set's kind: 28×28 pixels, grey, the article light on black. Errors are
`application/problem+json` (RFC 9457); [their kinds](problems). Every `GET` answers `HEAD` too; an address that is asked
by another method than those that are listed here answers 405, and one that is not listed 404.
"""

_ROUTERS = (
    predictions.router,
    preparations.router,
    explanations.router,
    labelled_images.router,
    model.router,
    flask_api.router,
    health.router,
    page.router,
    documentation.router,
    metrics_route.router,
)
_OPEN_PATHS = frozenset(
    [
        route.path
        for router in (health.router, page.router, documentation.router)
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    + [""]
)

OPERATIONS: Sequence[Operation] = tuple(
    operation for router in _ROUTERS if isinstance(router, OperationRouter) for operation in router.operations
)

_LEAST_LOGGED = {"all": 0, "errors": 400, "none": 1000}
"""The least status of the requests that are logged."""

ModelLoader = Callable[[Settings], LoadedModel]
TestSetLoader = Callable[[Settings, LoadedModel], Split]
ServiceLifespan = Callable[[ModelFollower], AbstractAsyncContextManager[object]]


def is_open(path: str) -> bool:
    """Tell of a route's path whether it needs no API key: health, the page and documentation."""
    return path in _OPEN_PATHS or path.startswith((f"{documentation.STATIC_PATH}/", f"{page.STATIC_PATH}/"))


def is_always_answered(path: str) -> bool:
    """Tell of a route's path whether it is never refused for overload: what needs no key, and the metrics."""
    return is_open(path) or path == metrics_route.METRICS_PATH


def load_test_set(settings: Settings, model: LoadedModel) -> Split:
    """Load the test set for a model: of its classes and its image size.

    Raises:
        DataError: it is nowhere, or cannot be used.
    """
    shape = (model.input.height, model.input.width)
    return DataSource.from_settings(settings, labels=model.labels, shape=shape).load("test")


class ServiceApp(FastAPI):
    """FastAPI inside the chain of middleware that every request passes."""

    def __init__(self, settings: Settings, **options: Any) -> None:  # noqa: ANN401  # FastAPI's own
        super().__init__(**options)
        self._settings = settings
        self.watch = Watch()
        self.service: Service | None = None
        """The service that is in force; `None` before it has started and after it has stopped."""
        self.request_log = RequestLog(self._count, least_status=_LEAST_LOGGED[settings.log_requests])
        self.operations = OPERATIONS
        """What the fast path answers; without them, FastAPI's routes do."""

    def _count(self, events: list[RequestEvent]) -> None:
        if self.service is not None:
            self.service.count(events)

    __call__ = Starlette.__call__  # FastAPI's looks for its telemetry in the environment, 4 µs a request

    def build_middleware_stack(self) -> ASGIApp:
        """Compose the chain, from the outermost to FastAPI's own; the caller's middleware sees every response."""
        callers, settings = self.user_middleware, self._settings
        self.user_middleware = [Middleware(ErrorMiddleware)]  # inside FastAPI too, whose own border would answer first
        app = super().build_middleware_stack()
        self.user_middleware = callers
        cors = [_make_cors(settings.cors_origins)] if settings.cors_origins else []
        chain = [
            Middleware(ForwardedMiddleware, root_path=settings.root_path, trusted_proxies=settings.trusted_proxies),
            Middleware(RequestLogMiddleware, log=self.request_log),
            *cors,
            *([Middleware(ErrorMiddleware), *callers] if callers else []),
            Middleware(HeadMiddleware),
            Middleware(ErrorMiddleware),
            Middleware(OverloadMiddleware, is_open=is_always_answered),
            Middleware(ApiKeyMiddleware, keys=settings.api_keys, is_open=is_open),
            Middleware(FastPath, operations=self.operations),
        ]
        for make, arguments, options in reversed(chain):
            app = make(app, *arguments, **options)
        return app


def _make_cors(origins: Sequence[str]) -> Middleware:
    return Middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=["*"],
        expose_headers=["X-Request-ID", "Retry-After"],
        max_age=3600,
    )


def create_app(
    settings: Settings,
    *,
    middleware: Sequence[Middleware] = (),
    load_model: ModelLoader = load_model,
    load_test_set: TestSetLoader = load_test_set,
    lifespan: ServiceLifespan = nullcontext,
) -> ServiceApp:
    """Make the app. Its lifespan loads the model and the test set, and must run before it can answer.

    Args:
        settings: all that an operator may set.
        middleware: the caller's own. It sees every request and every response, refusals too.
        load_model: gives the model; takes seconds.
        load_test_set: gives the test set, or raises `DataError`: the service then answers without one, unless the
            settings name the folder of the data set.
        lifespan: is entered once the service is ready, with what has the one in force, and left before it stops.

    Raises:
        SettingsError: the root path is the beginning of a route's path.
    """

    @asynccontextmanager
    async def run_service(app: ServiceApp) -> AsyncIterator[None]:
        app.watch = Watch()  # its timer is the event loop's
        seen = look_at(settings.model_path)  # before it is read: what changes meanwhile is followed
        service = await _start_service(settings, load_model, load_test_set)

        def put_in_force(service: Service) -> None:
            app.service = service

        follower = ModelFollower(service, put_in_force, load=lambda: load_model(settings), seen=seen)
        del service  # it must not outlive its successor
        follower.start()
        try:
            async with lifespan(follower):
                yield
        finally:
            await follower.aclose()
            app.request_log.flush()
            app.service = None

    app = ServiceApp(
        settings,
        title="fashion-api",
        version=version("fashion-api"),
        summary="Classifies Fashion-MNIST images with a pretrained Keras model.",
        description=_DESCRIPTION,
        lifespan=run_service,
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/"}],
        openapi_url=None,  # routes/documentation.py has the document and pages that need no internet
        middleware=list(middleware),
    )
    _add_routes(app, settings)
    return app


def create_described_app(settings: Settings, *, lifespan: ServiceLifespan = nullcontext) -> ServiceApp:
    """Make the app of a process that serves: the OpenAPI document is made before any request waits for it.

    Raises:
        SettingsError: as `create_app` does.
    """
    app = create_app(settings, lifespan=lifespan)
    app.openapi()
    return app


def _add_routes(app: ServiceApp, settings: Settings) -> None:
    add_exception_handlers(app)
    routers = [router for router in _ROUTERS if settings.metrics_port is None or router is not metrics_route.router]
    for router in routers:  # the routes themselves: FastAPI takes 10–30 µs more to match an included router's
        app.router.routes.extend(router.routes)
    app.mount(documentation.STATIC_PATH, documentation.make_static_files())
    app.mount(page.STATIC_PATH, page.make_static_files())
    _check_root_path(settings.root_path, [route.path for route in app.routes if isinstance(route, Route | Mount)])
    complete_openapi(app, find_service=lambda: app.service, needs_key=bool(settings.api_keys), is_open=is_open)


def _check_root_path(root_path: str, paths: Sequence[str]) -> None:
    """Refuse a prefix that is the beginning of a path: with it and without it, that path would look the same."""
    taken = [path for path in paths if f"{path}/".startswith(f"{root_path}/")] if root_path else []
    if taken:
        raise SettingsError(f"FASHION_ROOT_PATH: {root_path} is where {taken[0]} begins; choose another prefix")


async def _start_service(settings: Settings, load_model: ModelLoader, load_test_set: TestSetLoader) -> Service:
    try:
        model, test_set = await asyncio.to_thread(_load, settings, load_model, load_test_set)
    except FashionError as error:
        logger.critical("cannot start: %s", error)
        raise
    except Exception:
        logger.critical("cannot start", exc_info=True)
        raise
    metrics = Metrics()
    metrics.set_model(model)
    return Service(
        settings,
        model,
        make_batcher(model.classifier, settings),
        test_set,
        decoder=Decoder(),
        preparer=Decoder(turn_s=math.inf, most=find_max_prepared(settings)),
        body_memory=BodyMemory(settings.max_body_memory_bytes),
        request_limit=RequestLimit(settings.max_concurrent_requests),
        metrics=metrics,
    )


def _load(
    settings: Settings, load_model: ModelLoader, load_test_set: TestSetLoader
) -> tuple[LoadedModel, Split | DataError]:
    model = load_model(settings)
    try:
        return model, load_test_set(settings, model)
    except DataError as error:
        if settings.data_dir is not None:  # whoever names a folder means that one
            raise
        logger.warning("serving without a test set: %s", error)
        return model, error
