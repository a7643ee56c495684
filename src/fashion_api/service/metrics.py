"""Metrics for Prometheus, by prometheus-client.

Each worker counts what it does, some ten times a second and not with each request. Several workers write their
numbers into files of one folder (the library's multi-process mode), from which any of them reads the sums.
"""

import math
import os
import sys
import time
from collections import Counter as Tally
from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import prometheus_client as prometheus
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

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
_ENDS = ("exit", "killed", "SIGKILL", "SIGSEGV", "SIGABRT")
"""The usual ends of a worker, which are there from the start: a rate sees no counter that begins with 1."""
_OUTCOMES = ("served", "waiting", "refused")
"""Of a change of the model's file; they are there from the start too."""
_NOVELTIES = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 4.0, 8.0)


class Histogram(prometheus.Histogram):
    """A histogram that takes many values at once: one at a time, they took 2 µs each.

    The library promises nothing of a histogram's parts, hence the bound on its version in pyproject.toml.
    """

    def _prepare_buckets(self, source_buckets: Sequence[float | str]) -> None:
        super()._prepare_buckets(source_buckets)
        self._bounds = np.asarray(self._upper_bounds)

    def observe_all(self, amounts: npt.ArrayLike) -> None:
        """Observe the given amounts, in any order."""
        values = np.asarray(amounts, np.float64)
        counts = np.bincount(self._bounds.searchsorted(values)).tolist()
        for bucket, count in zip(self._buckets, counts, strict=False):  # beyond the last value, all are 0
            if count:
                bucket.inc(count)
        self._sum.inc(float(values.sum()))


class WorkerMetrics:
    """How many workers there are, and how they end; what a supervisor knows of several, and one alone of itself."""

    def __init__(self, registry: prometheus.CollectorRegistry | None) -> None:
        self._workers = prometheus.Gauge(
            "fashion_workers",
            "Worker processes: ready, or starting.",
            ["state"],
            multiprocess_mode="livesum",
            registry=registry,
        )
        self._ends = prometheus.Counter(
            "fashion_worker_ends", "Worker processes of several that have ended.", ["reason"], registry=registry
        )
        for reason in _ENDS:
            self._ends.labels(reason)

    def set_workers(self, *, ready: int, starting: int) -> None:
        """Say how many workers there are."""
        self._workers.labels("ready").set(ready)
        self._workers.labels("starting").set(starting)

    def count_end(self, reason: str) -> None:
        """Count the end of a worker."""
        self._ends.labels(reason).inc()


class Metrics:
    """What one worker counts. To be used on the event loop; `write` and `registry` from any thread."""

    def __init__(self) -> None:
        is_alone = FOLDER_VARIABLE not in os.environ
        self._registry = registry = prometheus.CollectorRegistry() if is_alone else None
        """That of a worker which is alone; several have none, and are read from their files."""
        counter = partial(prometheus.Counter, registry=registry)
        histogram = partial(Histogram, registry=registry)
        gauge = partial(prometheus.Gauge, registry=registry, multiprocess_mode="livesum")
        said = partial(prometheus.Gauge, registry=registry, multiprocess_mode="livemax")
        self._requests = counter(
            "fashion_requests",
            "Answers; those of gRPC have the status that HTTP has for theirs; 499: the caller left before.",
            ["route", "method", "status"],
        )
        self._durations = histogram(
            "fashion_request_duration_seconds",
            "From the head to the answer; 0 where there was no whole head.",
            ["route"],
            buckets=_REQUEST_S,
        )
        self._refusals = counter("fashion_refusals", "Requests that were refused, by the kind of problem.", ["reason"])
        self._steps = [histogram(f"fashion_{step}_seconds", text, buckets=_STEP_S) for step, text in _STEPS.items()]
        self._batches = histogram("fashion_batch_images", "Images computed together.", buckets=_IMAGES)
        self._predictions = counter(
            "fashion_predictions",
            "Images by predicted class; accepted is true, false, or unknown for a model that scores no novelty.",
            ["label", "accepted"],
        )
        self._probabilities = histogram(
            "fashion_top_probability", "Probability of the predicted class.", buckets=_SHARES
        )
        self._novelties = histogram("fashion_novelty", "Novelty; an image over 1 is not accepted.", buckets=_NOVELTIES)
        self._gauges = {name: gauge(f"fashion_{name}", text) for name, text in _GAUGES.items()}
        self._lag = histogram(
            "fashion_event_loop_lag_seconds", "How late the event loop runs a timer.", buckets=_STEP_S
        )
        self._model = said("fashion_model_info", "1 for the model that is served.", ["name", "version", "engine"])
        self._served: prometheus.Gauge | None = None
        expected = partial(prometheus.Gauge, registry=registry, multiprocess_mode="livemostrecent")
        self._expected_shares = expected(
            "fashion_expected_share",
            "Share of the test images that the model takes for this class; NaN: not known.",
            ["label"],
        )
        self._expected_accepted = expected(
            "fashion_expected_accepted_share", "Share of the test images that the model accepts; NaN: not known."
        )
        self._changes = counter(
            "fashion_model_changes", "Changes of the model's file: served, waiting or refused.", ["outcome"]
        )
        for outcome in _OUTCOMES:
            self._changes.labels(outcome)
        self._processor_s = 0.0
        self._processor = counter("fashion_process_cpu_seconds", "Processor time of a worker.", ["worker"])
        self._memory = gauge("fashion_process_resident_memory_bytes", "Memory of a worker.", ["worker"])
        self._descriptors = gauge("fashion_process_open_fds", "Open files of a worker.", ["worker"])
        said("fashion_build_info", "The version of fashion-api.", ["version"]).labels(version("fashion-api")).set(1)
        self._workers = WorkerMetrics(registry) if is_alone else None

    def set_ready(self, *, is_ready: bool) -> None:
        """Say whether a worker that is alone takes requests; of several, their supervisor counts those that do."""
        if self._workers is not None:
            self._workers.set_workers(ready=int(is_ready), starting=0)

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
        """Say which model is served, and what it made of the test set."""
        if self._served is not None:
            self._served.set(0)  # several workers' files cannot forget a series
        self._served = self._model.labels(model.name, model.version, model.engine)
        self._served.set(1)
        evaluation = None if model.manifest is None else model.manifest.evaluation
        shares = () if evaluation is None else evaluation.predicted_shares[: len(model.labels)]
        for label, share in zip_longest(model.labels, shares, fillvalue=math.nan):
            self._expected_shares.labels(label).set(share)
        accepted = None if evaluation is None else evaluation.accepted_share
        self._expected_accepted.set(math.nan if accepted is None else accepted)

    def count_model_change(self, outcome: str) -> None:
        """Count a change of the model's file: `served`, `waiting` for the rest of it, or `refused`."""
        self._changes.labels(outcome).inc()

    def set_gauges(self, **values: float) -> None:
        """Say how much there is now of what comes and goes."""
        for name, value in values.items():
            self._gauges[name].set(value)

    def count_requests(self, events: Sequence[RequestEvent]) -> None:
        """Count requests that are over; the requests come last: whoever reads them has all else of them too."""
        for reason, count in Tally(event.refusal for event in events if event.refusal).items():
            self._refusals.labels(reason).inc(count)
        if work := [event.work for event in events if event.work is not None]:
            self._count_work(work)
        answers: dict[tuple[str | None, str, int], list[float]] = {}
        for event in events:
            answers.setdefault((event.route, event.method, event.status), []).append(event.duration_ms)
        for (route, method, status), durations_ms in answers.items():
            known = method if method in _METHODS else _OTHER_METHOD
            self._durations.labels(route or NO_ROUTE).observe_all(np.array(durations_ms) / 1e3)
            self._requests.labels(route or NO_ROUTE, known, str(status)).inc(len(durations_ms))

    def count_refused_connection(self, status: int, reason: str) -> None:
        """Count what was refused before it was a request: bytes that are no HTTP, say."""
        self._durations.labels(NO_ROUTE).observe(0.0)
        self._refusals.labels(reason).inc()
        self._requests.labels(NO_ROUTE, _OTHER_METHOD, str(status)).inc()

    def count_batches(self, images: Sequence[int]) -> None:
        """Count batches, by their images."""
        if images:
            self._batches.observe_all(images)

    def observe_lag(self, seconds: float) -> None:
        """Count how late a timer was."""
        self._lag.observe(seconds)

    def _count_work(self, work: Sequence[Work]) -> None:
        columns: Any = Work._make(zip(*work, strict=True))  # a tuple of values in each field
        durations = (columns.decode_s, columns.queue_s, columns.compute_s, columns.encode_s)
        for step, amounts in zip(self._steps, durations, strict=True):
            step.observe_all(amounts)
        for model in {id(model): model for model in columns.model}.values():
            answered = zip(columns.model, columns.predictions, strict=True)
            parts = [part for its_model, part in answered if its_model is model and part is not None]
            if parts:
                self._count_predictions(model, parts)

    def _count_predictions(self, model: LoadedModel, parts: Sequence[Predictions]) -> None:
        predictions = Predictions.join(parts)
        class_ids = predictions.class_ids
        self._probabilities.observe_all(predictions.probabilities[np.arange(len(class_ids)), class_ids])
        outcomes: tuple[str, ...] = ("unknown",)
        accepted: npt.NDArray[np.integer[Any] | np.bool] = np.zeros_like(class_ids)
        thresholds = None if model.calibration is None else model.calibration.novelty
        if thresholds is not None and predictions.novelty is not None:
            novelty = thresholds.scale(predictions.novelty, class_ids)
            self._novelties.observe_all(novelty)
            outcomes, accepted = ("false", "true"), novelty <= 1
        for code, count in enumerate(np.bincount(class_ids * len(outcomes) + accepted).tolist()):
            if count:
                class_id, outcome = divmod(code, len(outcomes))
                self._predictions.labels(model.labels[class_id], outcomes[outcome]).inc(count)

    @property
    def registry(self) -> prometheus.CollectorRegistry:
        """What all workers have counted."""
        return self._registry or read_registry()

    def write(self, accept: str) -> tuple[bytes, str]:
        """Write all metrics, of all workers, in the form that an `Accept` header asks for; gives its media type too."""
        return write_metrics(self.registry, accept)


def write_metrics(registry: Collector, accept: str) -> tuple[bytes, str]:
    """Write metrics in the form that an `Accept` header asks for; gives its media type too."""
    try:
        encode, media_type = prometheus.exposition.choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is none
        encode, media_type = prometheus.exposition.choose_encoder("")
    return encode(registry), media_type


def read_registry() -> prometheus.CollectorRegistry:
    """Give a registry with what several workers have written into their files."""
    registry = prometheus.CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library's
    return registry
