"""Metrics for Prometheus, by prometheus-client.

Each worker counts what it does, some twenty times a second and not with each request. Several workers write their
numbers into files of one folder (the library's multi-process mode), from which any of them reads the sums.
"""

import os
import sys
import time
from collections import Counter as Tally
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import prometheus_client as prometheus
from prometheus_client.multiprocess import MultiProcessCollector

from fashion_api.inference.classifier import Predictions
from fashion_api.inference.loading import LoadedModel
from fashion_api.service.events import RequestEvent, Work

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""The library's environment variable: the folder of several workers' files."""
NO_ROUTE = "(no route)"

_METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
_OTHER_METHOD = "other"
_REQUEST_S = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STEP_S = (1e-5, 2.5e-5, 5e-5, *_REQUEST_S)
_IMAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_STEPS = {  # of a prediction, in the order of `Work`
    "decode": "From the whole body to pixels.",
    "queue_wait": "From the queue to the first batch.",
    "compute": "From the first batch to the predictions.",
    "encode": "From the predictions to the reply's bytes.",
}
_GAUGES = {
    "requests_in_flight": "Requests that are whole and not yet answered.",
    "connections": "Open connections.",
    "queue_images": "Images in the queue.",
}
_NOVELTIES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0)


class Histogram(prometheus.Histogram):
    """A histogram that takes many values at once: one at a time, they took 2 µs each."""

    def observe_all(self, amounts: npt.ArrayLike) -> None:
        """Observe the given amounts, in any order."""
        amounts = np.asarray(amounts, np.float64)
        counts = np.bincount(np.searchsorted(self._upper_bounds, amounts), minlength=len(self._upper_bounds))
        for place in np.flatnonzero(counts).tolist():
            self._buckets[place].inc(int(counts[place]))
        self._sum.inc(float(amounts.sum()))


class Metrics:
    """What one worker counts. To be used on the event loop."""

    def __init__(self) -> None:
        is_alone = FOLDER_VARIABLE not in os.environ
        self._registry = registry = prometheus.CollectorRegistry() if is_alone else None
        """That of a worker which is alone; several have none, and are read from their files."""
        self._requests = prometheus.Counter(
            "fashion_requests", "Answers.", ["route", "method", "status"], registry=registry
        )
        self._durations = Histogram(
            "fashion_request_duration_seconds",
            "From the head to the answer.",
            ["route"],
            buckets=_REQUEST_S,
            registry=registry,
        )
        self._refusals = prometheus.Counter(
            "fashion_refusals", "Requests that were refused.", ["reason"], registry=registry
        )
        self._steps = [
            Histogram(f"fashion_{step}_seconds", text, buckets=_STEP_S, registry=registry)
            for step, text in _STEPS.items()
        ]
        self._batches = Histogram(
            "fashion_batch_images", "Images computed together.", buckets=_IMAGES, registry=registry
        )
        self._predictions = prometheus.Counter(
            "fashion_predictions", "Images by predicted class.", ["label", "accepted"], registry=registry
        )
        self._probabilities = Histogram(
            "fashion_top_probability", "Probability of the predicted class.", buckets=_SHARES, registry=registry
        )
        self._novelties = Histogram(
            "fashion_novelty", "Novelty; an image over 1 is not accepted.", buckets=_NOVELTIES, registry=registry
        )
        self._gauges = {
            name: prometheus.Gauge(f"fashion_{name}", text, multiprocess_mode="livesum", registry=registry)
            for name, text in _GAUGES.items()
        }
        self._lag = Histogram(
            "fashion_event_loop_lag_seconds",
            "How late the event loop runs a timer.",
            buckets=_STEP_S,
            registry=registry,
        )
        self._model = prometheus.Gauge(
            "fashion_model_info",
            "The model that is served.",
            ["name", "version", "engine"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        self._model_in_force: tuple[str, str, str] | None = None
        self._model_changes = prometheus.Counter(
            "fashion_model_changes",
            "Changes of the model's file, by what became of them.",
            ["outcome"],
            registry=registry,
        )
        self._processor_s = 0.0
        self._processor = prometheus.Counter(
            "fashion_process_cpu_seconds", "Processor time of a worker.", ["worker"], registry=registry
        )
        self._memory = prometheus.Gauge(
            "fashion_process_resident_memory_bytes",
            "Memory of a worker.",
            ["worker"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._descriptors = prometheus.Gauge(
            "fashion_process_open_fds",
            "Open files of a worker.",
            ["worker"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        build = prometheus.Gauge(
            "fashion_build_info",
            "The version of fashion-api.",
            ["version"],
            multiprocess_mode="livemax",
            registry=registry,
        )
        build.labels(version("fashion-api")).set(1)

    def measure_process(self, worker: int) -> None:
        """Measure this process, the worker of this slot."""
        name = str(worker)
        processor_s = time.process_time()
        self._processor.labels(name).inc(processor_s - self._processor_s)
        self._processor_s = processor_s
        if sys.platform == "linux":
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self._memory.labels(name).set(pages * os.sysconf("SC_PAGE_SIZE"))
            self._descriptors.labels(name).set(sum(1 for _ in Path("/proc/self/fd").iterdir()))

    def set_model(self, model: LoadedModel) -> None:
        """Say which model is served."""
        if self._model_in_force is not None:  # several workers' files cannot forget a series
            self._model.labels(*self._model_in_force).set(0)
        self._model_in_force = model.name, model.version, model.engine
        self._model.labels(*self._model_in_force).set(1)

    def count_model_change(self, outcome: str) -> None:
        """Count a change of the model's file: `served`, `waiting` or `refused`."""
        self._model_changes.labels(outcome).inc()

    def set_gauges(self, **values: float) -> None:
        """Say how much there is now of what comes and goes."""
        for name, value in values.items():
            self._gauges[name].set(value)

    def count_requests(self, events: Sequence[RequestEvent]) -> None:
        """Count requests that are over."""
        by_route: dict[str, list[float]] = {}
        answers: Tally[tuple[str, str, int]] = Tally()
        refusals: Tally[str] = Tally()
        for event in events:
            route = event.route or NO_ROUTE
            answers[route, event.method if event.method in _METHODS else _OTHER_METHOD, event.status] += 1
            by_route.setdefault(route, []).append(event.duration_ms / 1e3)
            if event.refusal is not None:
                refusals[event.refusal] += 1
        for (route, method, status), count in answers.items():
            self._requests.labels(route, method, str(status)).inc(count)
        for route, durations in by_route.items():
            self._durations.labels(route).observe_all(durations)
        for reason, count in refusals.items():
            self._refusals.labels(reason).inc(count)
        if work := [event.work for event in events if event.work is not None]:
            self._count_work(work)

    def count_refused_connection(self, status: int, reason: str) -> None:
        """Count what was refused before it was a request: bytes that are no HTTP, say."""
        self._requests.labels(NO_ROUTE, _OTHER_METHOD, str(status)).inc()
        self._refusals.labels(reason).inc()

    def count_batches(self, images: Sequence[int]) -> None:
        """Count batches, by their images."""
        if images:
            self._batches.observe_all(images)

    def observe_lag(self, seconds: float) -> None:
        """Count how late a timer was."""
        self._lag.observe(seconds)

    def _count_work(self, work: Sequence[Work]) -> None:
        for step, durations in zip(
            self._steps, zip(*(part[-len(_STEPS) :] for part in work), strict=True), strict=True
        ):
            step.observe_all(durations)
        for model in {id(part.model): part.model for part in work}.values():
            answered = [part.predictions for part in work if part.model is model and part.predictions is not None]
            if answered:
                self._count_predictions(model, answered)

    def _count_predictions(self, model: LoadedModel, parts: Sequence[Predictions]) -> None:
        predictions = Predictions.join(parts)
        class_ids = predictions.class_ids
        self._probabilities.observe_all(predictions.probabilities.max(axis=1))
        accepted = ["unknown"] * len(class_ids)
        thresholds = None if model.calibration is None else model.calibration.novelty
        if thresholds is not None and predictions.novelty is not None:
            limits = [thresholds.get_threshold(class_id) for class_id in range(len(model.labels))]
            novelty = predictions.novelty / np.asarray(limits)[class_ids]
            self._novelties.observe_all(novelty)
            accepted = np.where(novelty <= 1, "true", "false").tolist()
        for (class_id, is_accepted), count in Tally(zip(class_ids.tolist(), accepted, strict=True)).items():
            self._predictions.labels(model.labels[class_id], is_accepted).inc(count)

    @property
    def registry(self) -> prometheus.CollectorRegistry:
        """What all workers have counted."""
        return self._registry or read_registry()

    def write(self, accept: str) -> tuple[bytes, str]:
        """Write all metrics, of all workers, in the form that an `Accept` header asks for; gives its media type too."""
        encode, media_type = prometheus.exposition.choose_encoder(accept)
        return encode(self.registry), media_type


def read_registry() -> prometheus.CollectorRegistry:
    """Give a registry with what several workers have written into their files."""
    registry = prometheus.CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
    return registry
