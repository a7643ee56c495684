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

from fashion_api.service.metrics import FOLDER_VARIABLE
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
    if settings.metrics_port is None:
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


class WorkerMetrics:
    """What a supervisor counts, and the folder of the metrics of all its processes, which is removed in the end."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="fashion-api-metrics-")
        os.environ[FOLDER_VARIABLE] = self.folder
        share_metrics(_SUPERVISOR)
        self._workers = prometheus.Gauge(
            "fashion_workers", "Worker processes.", ["state"], multiprocess_mode="livesum", registry=None
        )
        self._ends = prometheus.Counter(
            "fashion_worker_ends", "Worker processes that have ended.", ["reason"], registry=None
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_workers(self, *, ready: int, starting: int) -> None:
        """Say how many workers there are."""
        self._workers.labels("ready").set(ready)
        self._workers.labels("starting").set(starting)

    def count_end(self, slot: int, reason: str) -> None:
        """Count the end of a worker; what it had open is gone."""
        self._ends.labels(reason).inc()
        mark_process_dead(slot, self.folder)  # type: ignore[no-untyped-call]  # the library's
