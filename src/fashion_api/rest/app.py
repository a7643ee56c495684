"""`create_app`: the one place where the parts of the HTTP service are joined."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError, FashionError, SettingsError
from fashion_api.inference.loading import LoadedModel, load_model
from fashion_api.inference.manifest import InputSpec
from fashion_api.pictures.data_set import find_data_set
from fashion_api.rest.dependencies import OperationRouter
from fashion_api.rest.fast_path import FastPath
from fashion_api.rest.middleware.api_keys import ApiKeyMiddleware
from fashion_api.rest.middleware.errors import ErrorMiddleware
from fashion_api.rest.middleware.forwarded import ForwardedMiddleware
from fashion_api.rest.middleware.head import HeadMiddleware
from fashion_api.rest.middleware.overload import OverloadMiddleware
from fashion_api.rest.middleware.rate_limit import RateLimitMiddleware
from fashion_api.rest.middleware.request_log import RequestLogMiddleware
from fashion_api.rest.openapi import complete_openapi, describe_api
from fashion_api.rest.problems import add_exception_handlers
from fashion_api.rest.routes import (
    documentation,
    explanations,
    flask_api,
    health,
    labelled_images,
    model,
    open_inference,
    page,
    predictions,
    preparations,
    tensorflow_serving,
    triton,
)
from fashion_api.rest.routes import metrics as metrics_route
from fashion_api.rest.unknown_path import UnknownProtocolPath
from fashion_api.rest.watch import Watch
from fashion_api.service.decoder import Decoder
from fashion_api.service.events import RequestEvent
from fashion_api.service.following import ModelFollower, look_at
from fashion_api.service.keys import ApiKeys
from fashion_api.service.limits import BodyMemory, RequestLimit, find_max_prepared
from fashion_api.service.metrics import Metrics
from fashion_api.service.request_log import LEAST_LOGGED, RequestLog
from fashion_api.service.service import Service, make_batcher
from fashion_api.service.tracing import check_tracing, start_tracing
from fashion_api.settings import Settings
from fashion_api.wire.operation import Operation
from fashion_api.wire.trace_context import begin_span, read_trace_context

if TYPE_CHECKING:
    from fashion_api.service.rate_limit import RateLimit
    from fashion_api.service.spans import SpanWriter

logger = logging.getLogger(__name__)

_ROUTERS = (
    predictions.router,
    preparations.router,
    explanations.router,
    labelled_images.router,
    model.router,
    flask_api.router,
    tensorflow_serving.router,
    open_inference.health_router,
    open_inference.router,
    triton.router,
    health.router,
    page.router,
    page.alive_router,
    documentation.router,
    documentation.problems_router,
    metrics_route.router,
)
_FOR_PEOPLE = (page.router, documentation.router)
_FILES_FOR_PEOPLE = (f"{documentation.STATIC_PATH}/", f"{page.STATIC_PATH}/")
OPERATIONS: Sequence[Operation] = tuple(
    operation for router in _ROUTERS if isinstance(router, OperationRouter) for operation in router.operations
)

ModelLoader = Callable[[Settings], LoadedModel]
TestSetLoader = Callable[[Settings, LoadedModel], Split]
ServiceLifespan = Callable[[ModelFollower], AbstractAsyncContextManager[object]]
TracingStarter = Callable[[Settings], "SpanWriter | None"]


class OpenPaths:
    """The paths of routes that need no API key: health, `/`, the kinds of problem, and the page and documentation."""

    def __init__(self, *, has_docs: bool) -> None:
        routers = (
            health.router,
            page.alive_router,
            open_inference.health_router,
            documentation.problems_router,
            *(_FOR_PEOPLE if has_docs else ()),
        )
        routes = [route.path for router in routers for route in router.routes if isinstance(route, APIRoute)]
        self._paths = frozenset([*routes, *([""] if has_docs else [])])
        self._folders = _FILES_FOR_PEOPLE if has_docs else ()

    def has(self, path: str) -> bool:
        """Tell of a route's path whether it needs no key."""
        return path in self._paths or path.startswith(self._folders)

    def are_always_answered(self, path: str) -> bool:
        """Tell of a route's path whether it is never refused for overload: what needs no key, and the metrics."""
        return self.has(path) or path == metrics_route.METRICS_PATH


def load_test_set(settings: Settings, model: LoadedModel) -> Split:
    """Load the test set for a model: of its classes and its image size.

    Raises:
        DataError: it is nowhere, or cannot be used.
    """
    return find_data_set(settings, labels=model.labels, shape=model.input.shape).load("test")


class ServiceApp(FastAPI):
    """FastAPI inside the chain of middleware that every request passes."""

    def __init__(self, settings: Settings, **options: Any) -> None:  # noqa: ANN401  # FastAPI's own
        super().__init__(**options)
        self._settings = settings
        self.watch = Watch()
        self.service: Service | None = None
        """The service that is in force; `None` before it has started and after it has stopped."""
        self.request_log = RequestLog(self._count, least_status=LEAST_LOGGED[settings.log_requests])
        self.keys = ApiKeys(settings)
        self.open_paths = OpenPaths(has_docs=settings.docs)
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
        limited = []
        if settings.rate_limit is not None:
            limited = [Middleware(RateLimitMiddleware, is_exempt=self.open_paths.are_always_answered)]
        chain = [
            Middleware(ForwardedMiddleware, root_path=settings.root_path, trusted_proxies=settings.trusted_proxies),
            Middleware(
                RequestLogMiddleware,
                log=self.request_log,
                find_trace=begin_span if settings.tracing else read_trace_context,
            ),
            *cors,
            *([Middleware(ErrorMiddleware), *callers] if callers else []),
            Middleware(HeadMiddleware),
            Middleware(ErrorMiddleware),
            Middleware(OverloadMiddleware, is_open=self.open_paths.are_always_answered),
            Middleware(ApiKeyMiddleware, keys=self.keys, is_open=self.open_paths.has),
            *limited,
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
        expose_headers=[
            "X-Request-ID",
            "Retry-After",
            "RateLimit",
            "RateLimit-Policy",
            "Inference-Header-Content-Length",
            "X-Model-Version",
        ],
        max_age=3600,
    )


def create_app(  # noqa: PLR0913  # the parts of a service
    settings: Settings,
    *,
    middleware: Sequence[Middleware] = (),
    load_model: ModelLoader = load_model,
    load_test_set: TestSetLoader = load_test_set,
    start_tracing: TracingStarter = start_tracing,
    lifespan: ServiceLifespan = nullcontext,
) -> ServiceApp:
    """Make the app. Its lifespan loads the model and the test set, and must run before it can answer.

    Args:
        settings: all that an operator may set.
        middleware: the caller's own. It sees every request and every response, refusals too.
        load_model: gives the model; takes seconds.
        load_test_set: gives the test set, or raises `DataError`: the service then answers without one, unless the
            settings name the folder of the data set.
        start_tracing: gives what writes spans, in the process that serves; `None` where nothing is traced.
        lifespan: is entered once the service is ready, with what has the one in force, and left before it stops.

    Raises:
        SettingsError: the root path is the beginning of a route's path, the file of API keys is broken, or requests are
            to be traced and OpenTelemetry is not installed.
    """
    check_tracing(settings)

    @asynccontextmanager
    async def run_service(app: ServiceApp) -> AsyncIterator[None]:
        app.watch = Watch()  # its timer is the event loop's
        with _logged_failures():
            seen = look_at(settings.model_path)  # before it is read: what changes meanwhile is followed
            service = await _start_service(settings, app.keys, load_model, load_test_set, start_tracing)

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
            if follower.service.spans is not None:
                await follower.service.spans.aclose()

    app = ServiceApp(
        settings,
        title="fashion-api",
        version=version("fashion-api"),
        **describe_api(
            settings.class_names,
            InputSpec(height=settings.image_height, width=settings.image_width, channels=settings.channels),
        ),
        lifespan=run_service,
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/"}],
        openapi_url=None,  # routes/documentation.py has the document and pages that need no internet
        middleware=list(middleware),
    )
    _add_routes(app, settings)
    return app


def _add_routes(app: ServiceApp, settings: Settings) -> None:
    add_exception_handlers(app, has_docs=settings.docs)
    hidden = () if settings.docs else _FOR_PEOPLE
    if not settings.metrics or settings.metrics_port is not None:
        hidden = (*hidden, metrics_route.router)
    routers = [router for router in _ROUTERS if router not in hidden]
    for router in routers:  # the routes themselves: FastAPI takes 10–30 µs more to match an included router's
        app.router.routes.extend(router.routes)
    app.router.routes.append(UnknownProtocolPath())
    if settings.docs:
        app.mount(documentation.STATIC_PATH, documentation.make_static_files())
        app.mount(page.STATIC_PATH, page.make_static_files())
    _check_root_path(settings.root_path, [route.path for route in app.routes if isinstance(route, Route | Mount)])
    complete_openapi(
        app,
        find_service=lambda: app.service,
        needs_key=settings.needs_key,
        is_open=app.open_paths.has,
        is_limited=settings.rate_limit is not None,
    )


def _check_root_path(root_path: str, paths: Sequence[str]) -> None:
    """Refuse a prefix that is the beginning of a path: with it and without it, that path would look the same."""
    taken = [path for path in paths if f"{path}/".startswith(f"{root_path}/")] if root_path else []
    if taken:
        raise SettingsError(f"FASHION_ROOT_PATH: {root_path} is where {taken[0]} begins; choose another prefix")


@contextmanager
def _logged_failures() -> Iterator[None]:
    """Log why the service cannot start: the server says nothing of it."""
    try:
        yield
    except FashionError as error:
        logger.critical("cannot start: %s", error)
        raise
    except Exception:
        logger.critical("cannot start", exc_info=True)
        raise


async def _start_service(
    settings: Settings,
    keys: ApiKeys,
    load_model: ModelLoader,
    load_test_set: TestSetLoader,
    start_tracing: TracingStarter,
) -> Service:
    model, test_set = await asyncio.to_thread(_load, settings, load_model, load_test_set)
    spans = start_tracing(settings)
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
        spans=spans,
        keys=keys,
        rate_limit=_make_rate_limit(settings),
    )


def _make_rate_limit(settings: Settings) -> "RateLimit | None":
    if settings.rate_limit is None:
        return None
    from fashion_api.service.rate_limit import RateLimit  # noqa: PLC0415  # a tenth of a second, only where it is used

    return RateLimit(settings.rate_limit, shares=settings.workers)


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
