"""The service: one model in force, with its batcher, its test set and its limits."""

import asyncio
import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from fashion_api.data.dataset import Split
from fashion_api.errors import DataError, UnknownModelError
from fashion_api.inference.classifier import Classifier
from fashion_api.inference.loading import LoadedModel
from fashion_api.service.batcher import Batcher
from fashion_api.service.decoder import Decoder
from fashion_api.service.events import RequestEvent
from fashion_api.service.keys import ApiKeys
from fashion_api.service.limits import BodyMemory, RequestLimit, find_max_images
from fashion_api.service.metrics import Metrics
from fashion_api.service.statistics import Statistics
from fashion_api.service.survey import Findings, Survey
from fashion_api.settings import Settings

if TYPE_CHECKING:
    from fashion_api.service.rate_limit import RateLimit
    from fashion_api.service.spans import SpanWriter

_MONITOR_S = 1.0
_INLINE_LIMIT_S = 0.002  # see docs/adr/0004


@dataclass(frozen=True)
class PendingModel:
    """What the model's file has now, and why it is not in force."""

    state: Literal["waiting", "refused"]
    version: str | None
    """The version of the `.h5`, where that could be read."""
    reason: str
    """One sentence without paths."""


def make_batcher(classifier: Classifier, settings: Settings) -> Batcher:
    """Make the batcher of a classifier, on the running event loop."""
    return Batcher(
        classifier,
        max_batch_size=settings.max_batch_size,
        max_queue_size=settings.max_queue_size,
        timeout_s=settings.request_timeout_s,
        inline_limit_s=_INLINE_LIMIT_S,
        # gRPC's threads bring calls, see docs/adr/0013; Windows has no such function.
        let_others_run=None if settings.grpc_port is None else getattr(os, "sched_yield", None),
    )


@dataclass
class Service:
    """What all requests share. A request takes hold of one service and is answered by it to the end."""

    settings: Settings
    model: LoadedModel
    batcher: Batcher
    test_set: Split | DataError
    """The test images, or why there are none."""
    decoder: Decoder
    preparer: Decoder
    """Decodes pictures of any size, one after the other; that takes longer than the decoder's turns."""
    body_memory: BodyMemory
    request_limit: RequestLimit
    metrics: Metrics
    keys: ApiKeys
    rate_limit: "RateLimit | None" = None
    """Of each client, where there is one."""
    spans: "SpanWriter | None" = None
    """Writes the spans of requests and batches, where they are traced."""
    statistics: Statistics = field(default_factory=Statistics)
    """What was done so far; `count` brings its batches up to date."""
    is_draining: bool = False
    on_drain: list[Callable[[], object]] = field(default_factory=list)
    """Is called, from a signal handler perhaps, when the service begins to be not ready."""
    slot: int = 0
    """Its worker's place among several."""
    count_connections: Callable[[], int] = lambda: 0
    """Gives the open connections, which only a server knows."""
    pending: PendingModel | None = None
    """The model that the file has, where it is another than this."""
    served_name: str = ""
    """What clients of the inference protocols call the model; it outlives a change of the model."""
    survey: Survey = field(init=False)
    """The model's predictions for the test set."""

    @functools.cached_property
    def max_images(self) -> int:
        """The most images of a request."""
        return find_max_images(self.settings, self.model.input)

    def __post_init__(self) -> None:
        self.served_name = self.served_name or self.settings.served_name or self.model.name
        calibration = self.model.calibration
        thresholds = None if calibration is None else calibration.novelty
        self.survey = Survey(self.batcher, thresholds, max_queue_size=self.settings.max_queue_size)

    def check_served(self, name: str, version: str = "") -> None:
        """Check that a client of an inference protocol asks for this model; without a version, it takes any.

        Raises:
            UnknownModelError: no model has this name and version.
        """
        if name != self.served_name:
            raise UnknownModelError(
                f"Request for unknown model: '{name:.100}' is not found; there is {self.served_name}"
            )
        if version not in ("", str(self.settings.served_version)):
            raise UnknownModelError(
                f"Request for unknown model: '{name}' version {version:.100} is not found; there is version "
                f"{self.settings.served_version}"
            )

    def succeed(self, model: LoadedModel) -> "Service":
        """Make the service of another model of the same labels and image size; it shares all else with this one."""
        return replace(self, model=model, batcher=make_batcher(model.classifier, self.settings), pending=None)

    def get_findings(self) -> Findings:
        """Give what the model sees in each test image; the first call has it computed.

        Raises:
            DataError: there is no test set.
            PendingError, NotReadyError, EngineError: as for `Survey.get`.
        """
        return self.survey.get(self.get_test_set())

    def get_test_set(self) -> Split:
        """Give the test set.

        Raises:
            DataError: there is none.
        """
        if isinstance(self.test_set, DataError):
            raise self.test_set
        return self.test_set

    def drain(self) -> None:
        """Be not ready from now on; requests are still answered."""
        if not self.is_draining:
            self.is_draining = True
            for act in self.on_drain:
                act()
        self.survey.stop()

    def count(self, events: Sequence[RequestEvent] = (), *, ended: Batcher | None = None) -> None:
        """Count and trace requests that are over, and the batches since the last call, or the last ones of `ended`."""
        batches = (ended or self.batcher).take_batches()
        self.statistics.add_batches(batches)
        if self.settings.metrics:
            self.metrics.count_batches([batch.images for batch in batches])
            self.metrics.count_requests(events)
        if self.spans is not None:
            self.spans.write(events, batches)

    async def monitor(self) -> None:
        """Measure each second what comes and goes, until cancelled."""
        if not self.settings.metrics:
            return
        loop = asyncio.get_running_loop()
        while True:
            self.metrics.set_gauges(
                requests_in_flight=self.request_limit.under_way,
                queue_images=self.batcher.waiting_images,
                connections=self.count_connections(),
            )
            self.metrics.set_ready(is_ready=not self.is_draining)
            self.metrics.measure_process(self.slot)
            due = loop.time() + _MONITOR_S
            await asyncio.sleep(_MONITOR_S)
            self.metrics.observe_lag(max(0.0, loop.time() - due))

    async def aclose(self) -> None:
        """Finish what was taken in, and end the threads."""
        self.drain()
        await self.survey.aclose()
        await self.decoder.aclose()
        await self.preparer.aclose()
        await self.batcher.aclose()
