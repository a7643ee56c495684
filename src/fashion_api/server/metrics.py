"""Metrics of several processes, and a port of their own."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Self, cast

import prometheus_client as prometheus
from prometheus_client import values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.registry import Collector

from fashion_api.service.metrics import FOLDER_VARIABLE, WorkerMetrics
from fashion_api.settings import Settings

_SUPERVISOR = "supervisor"


class _Metrics(Collector):
    """The metrics of a service, from when it is ready."""

    def __init__(self, find_registry: Callable[[], prometheus.CollectorRegistry | None]) -> None:
        self._find_registry = find_registry

    def collect(self) -> Iterable[Metric]:
        registry = self._find_registry()
        return () if registry is None else registry.collect()


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
        server, thread = prometheus.start_http_server(
            settings.metrics_port, settings.host, cast("prometheus.CollectorRegistry", _Metrics(find_registry))
        )
    except OSError as error:
        raise settings.make_error(
            "metrics_port", f"cannot listen on {settings.host} port {settings.metrics_port}: {error.strerror}"
        ) from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def share_metrics(name: int | str) -> None:
    """Have this process write its metrics into files of its own, in the folder that the environment names.

    They are named by the worker's slot, so that the worker that replaces it goes on with them.
    """
    values.ValueClass = values.MultiProcessValue(lambda: name)  # type: ignore[no-untyped-call]  # the library's


class SharedMetrics:
    """The folder of the metrics of several workers, which is removed in the end, and what their supervisor counts."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="fashion-api-metrics-")
        os.environ[FOLDER_VARIABLE] = self._folder
        share_metrics(_SUPERVISOR)
        self.workers = WorkerMetrics(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        remove_shared_metrics()

    def count_end(self, slot: int, reason: str) -> None:
        """Count the end of a worker; what it had open is gone."""
        self.workers.count_end(reason)
        mark_process_dead(slot, self._folder)  # type: ignore[no-untyped-call]  # the library's


def remove_shared_metrics() -> None:
    """Remove the folder that the environment names; who has files of it open may go on writing."""
    shutil.rmtree(os.environ[FOLDER_VARIABLE], ignore_errors=True)
