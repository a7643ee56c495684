"""Metrics of several processes, and a port of their own."""

import logging
import os
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import prometheus_client as prometheus
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.registry import Collector

from fashion_api.service.metrics import FOLDER_VARIABLE, WorkerMetrics, read_registry, write_metrics
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

logger = logging.getLogger(__name__)

_METHODS = ("GET", "HEAD")
_MOST_CONNECTIONS = 32
"""The most that the port of the metrics has at once: each has a thread, and takes a file from the service."""
_READ_TIMEOUT_S = 5.0
_SUPERVISOR = "supervisor"
_FILE_BYTES = 256 * 1024
"""Of each file; a process has five. All routes, methods and statuses take less, so that no file has to grow."""


class _Metrics(Collector):
    """The metrics of a service, from when it is ready."""

    def __init__(self, find_registry: Callable[[], prometheus.CollectorRegistry | None]) -> None:
        self._find_registry = find_registry

    def collect(self) -> Iterable[Metric]:
        registry = self._find_registry()
        return () if registry is None else registry.collect()


class _Server(ThreadingMixIn, WSGIServer):
    """Answers each connection in a thread, and closes at once those beyond a number."""

    daemon_threads = True

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401  # its base's own
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        super().__init__(*arguments)

    def server_bind(self) -> None:
        """Bind, without asking for the name of the address, which may take seconds where no name server answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # of the Internet
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # its base's own
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # its base's own
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002  # its base's own
        logger.debug("a request for the metrics was broken off: %s", sys.exc_info()[1])


class _Handler(WSGIRequestHandler):
    """Reads one request, as far as it comes in time; the log has no line of it."""

    def setup(self) -> None:
        self.request.settimeout(_READ_TIMEOUT_S)
        super().setup()

    def log_message(self, *_: object) -> None:
        pass


def _make_server(host: str, port: int, metrics: Collector) -> WSGIServer:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    make: type[WSGIServer] = type("_Server", (_Server,), {"address_family": family})
    return make_server(str(address[0]), port, _make_app(metrics), make, _Handler)


def _make_app(metrics: Collector) -> "WSGIApplication":
    def serve(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        headers = [("X-Content-Type-Options", "nosniff")]
        if environ["REQUEST_METHOD"] not in _METHODS:
            start_response("405 Method Not Allowed", [*headers, ("Allow", ", ".join(_METHODS))])
            return []
        try:
            content, media_type = write_metrics(metrics, environ.get("HTTP_ACCEPT", ""))
        except Exception:
            logger.exception("the metrics cannot be read")
            start_response("500 Internal Server Error", headers)
            return []
        start_response("200 OK", [*headers, ("Content-Type", media_type)])
        return [content] if environ["REQUEST_METHOD"] == "GET" else []

    return serve


@contextmanager
def serve_metrics(
    settings: Settings, find_registry: Callable[[], prometheus.CollectorRegistry | None]
) -> Iterator[None]:
    """Serve metrics on a port of their own, in a thread, where the settings name one.

    Raises:
        SettingsError: the port cannot be listened on.
    """
    if settings.metrics_port is None or not settings.metrics:
        yield
        return
    try:
        server = _make_server(settings.host, settings.metrics_port, _Metrics(find_registry))
    except OSError as error:
        raise settings.make_error(
            "metrics_port",
            f"cannot listen on {settings.host} port {settings.metrics_port}: {error.strerror}; choose another port",
        ) from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _AllocatedDict(MmapedDict):
    """A file of metrics that has its place on the disk from the start.

    The library makes files with holes; whoever writes into one while the disk is full is ended by SIGBUS.
    """

    def __init__(self, filename: str, read_mode: bool = False) -> None:  # noqa: FBT001, FBT002  # the library's interface
        if not read_mode and not (path := Path(filename)).exists():
            _allocate(path)
        super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]  # the library's


def _allocate(path: Path) -> None:
    """Make a file full of zeros, which no reader sees before it is whole."""
    new = path.with_suffix(".new")
    try:
        new.write_bytes(bytes(_FILE_BYTES))
        new.replace(path)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def share_metrics(name: int | str) -> None:
    """Have this process write its metrics into files of its own, in the folder that the environment names.

    They are named by the worker's slot, so that the worker that replaces it goes on with them.
    """
    values.MmapedDict = _AllocatedDict  # type: ignore[attr-defined]  # the library's own name for it
    values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]  # the library's


class SharedMetrics:
    """The folder of the metrics of several workers, which is removed in the end, and what their supervisor counts."""

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="fashion-api-metrics-")
        os.environ[FOLDER_VARIABLE] = self._folder
        try:
            share_metrics(_SUPERVISOR)
            self.workers = WorkerMetrics(None)
        except BaseException:
            remove_shared_metrics()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        remove_shared_metrics()

    def count_end(self, slot: int, reason: str) -> None:
        """Count the end of a worker; what it had open is gone."""
        self.workers.count_end(reason)
        mark_process_dead(slot, self._folder)  # type: ignore[no-untyped-call]  # the library's


def find_shared_registry() -> prometheus.CollectorRegistry | None:
    """Give what several workers have counted; `None` before their folder is there, and once it has gone."""
    return read_registry() if Path(os.environ.get(FOLDER_VARIABLE, os.devnull)).is_dir() else None


def remove_shared_metrics() -> None:
    """Remove the folder that the environment names; who has files of it open may go on writing."""
    shutil.rmtree(os.environ[FOLDER_VARIABLE], ignore_errors=True)
