"""What was measured, as it is kept in benchmarks/results/latest.json."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from pydantic import TypeAdapter

from benchmarks.compiled_load import Burst
from benchmarks.load import Tally
from benchmarks.servers import Memory

T = TypeVar("T")


class MissingFigureError(Exception):
    """A round has not measured what a figure is computed from."""


def need(value: T | None) -> T:
    """Give a value that must be there.

    Raises:
        MissingFigureError: it is not.
    """
    if value is None:
        raise MissingFigureError
    return value


@dataclass(frozen=True)
class Latency:
    """Percentiles, in milliseconds."""

    p50_ms: float
    p99_ms: float
    p999_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> "Latency | None":
        """Summarise latencies; `None` where there are none."""
        if not seconds:
            return None
        return cls(*(round(float(value) * 1e3, 4) for value in np.percentile(seconds, (50, 99, 99.9))))


@dataclass(frozen=True)
class Loop:
    """What came of one run of the load generator."""

    rate: float | None
    """Requests a second that were due; `None` for the closed loop."""
    throughput: float
    """Right answers a second."""
    goodput: float
    """Right answers a second that came within one second."""
    refused: int
    failed: int
    """Those that were not sent are among them."""
    latency: Latency | None
    refusal: Latency | None

    @classmethod
    def of(cls, tally: Tally, rate: float | None = None) -> "Loop":
        """Summarise a run."""
        return cls(
            rate,
            tally.throughput,
            tally.goodput,
            tally.refused,
            tally.failed + tally.unsent,
            Latency.of(tally.latencies_s),
            Latency.of(tally.refusals_s),
        )


@dataclass
class Row:
    """One contender in one round."""

    error: str | None = None
    """Why there are no figures, or no more of them."""
    start_s: float | None = None
    memory: Memory | None = None
    closed: dict[str, dict[int, Loop]] = field(default_factory=dict)
    """By form of request and concurrency."""
    open: dict[str, dict[float, Loop]] = field(default_factory=dict)
    """By form of request and share of the capacity."""


@dataclass
class Round:
    """Everyone, once."""

    engine_s: dict[int, float] = field(default_factory=dict)
    """The engine alone: seconds an image, by batch size."""
    rows: dict[str, Row] = field(default_factory=dict)
    shipped: dict[str, Row] = field(default_factory=dict)
    """With the project's own model, in the closed loop."""
    one_worker: float | None = None
    """Images a second in large requests."""
    two_workers: float | None = None


Throughputs = dict[str, dict[str, dict[int, float]]]
"""Right answers a second, by server, form of request and concurrency."""


@dataclass(frozen=True)
class Comparison:
    """The service beside an earlier revision of itself, both running at the same time and asked in turns."""

    revision: str
    rounds: list[Throughputs]

    def collect(self, figure: Callable[[Throughputs], float]) -> "Spread | None":
        """Compute a figure in each round."""
        return Spread.of([figure(round_) for round_ in self.rounds])


@dataclass(frozen=True)
class Overload:
    """What became of the service under far more requests than it can answer, and after."""

    rate: float
    """Requests a second that were due."""
    seconds: float
    accepted: int
    refused: int
    failed: int
    """Neither answered nor refused, or not within the deadline."""
    unsent: int
    """Due when no connection was free."""
    longest_s: float
    """The time that the slowest of the accepted requests took."""
    grown_bytes: int
    """The most resident bytes from then on, less those before."""
    recovered_s: float | None
    """When the answers were as fast as before again; `None` where they were not."""


@dataclass(frozen=True)
class SlowCallersRound:
    """The 99th percentile of the latency at half of the capacity, without slow callers and beside them."""

    alone_ms: float
    beside_ms: float
    lost: int
    """Requests that were refused or failed beside them."""


@dataclass(frozen=True)
class Footprint:
    """What a worker costs before anyone asks much of it."""

    start_s: float
    """From the start of the process to the first right answer."""
    rss: int
    """Resident bytes after some hundred answers."""


@dataclass
class ProtocolRound:
    """The inference protocols, once."""

    engine_s: dict[int, float] = field(default_factory=dict)
    """The engine alone: seconds an image, by batch size."""
    bursts: dict[str, dict[int, dict[str, Burst]]] = field(default_factory=dict)
    """By form, concurrency and server."""
    footprints: dict[str, Footprint] = field(default_factory=dict)
    """Of the earlier revision, and of the service with gRPC and without."""


@dataclass
class Protocols:
    """The service beside its limits and others that speak the same protocols."""

    rounds: list[ProtocolRound] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    """Why figures are missing, by server and form."""

    def list_servers(self) -> set[str]:
        """List those that have figures."""
        forms = [by_concurrency for round_ in self.rounds for by_concurrency in round_.bursts.values()]
        return {name for form in forms for bursts in form.values() for name in bursts}

    def collect(self, figure: Callable[[ProtocolRound], float]) -> "Spread | None":
        """Compute a figure in each round; rounds that cannot give it are left out."""
        return _collect(self.rounds, figure)


@dataclass
class Results:
    """A whole run."""

    machine: dict[str, str]
    versions: dict[str, str]
    seconds: float
    is_quick: bool = False
    rounds: list[Round] = field(default_factory=list)
    comparison: Comparison | None = None
    production: list[Throughputs] = field(default_factory=list)
    """With all that serves its operation on, and off."""
    protocols: Protocols | None = None
    overload: Overload | None = None
    slow_callers: list[SlowCallersRound] = field(default_factory=list)
    ceiling: float | None = None
    """Requests a second that the load generator makes of a server that does next to nothing."""
    lag_ms: dict[str, float] = field(default_factory=dict)
    """99th percentile of the event-loop lag, by load."""
    rss_after: dict[int, int] = field(default_factory=dict)
    """Resident bytes of one worker, by the number of predictions made."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why a part has no figures, by its name."""

    def collect(self, figure: Callable[[Round], float]) -> "Spread | None":
        """Compute a figure in each round; rounds that cannot give it are left out."""
        return _collect(self.rounds, figure)


def _collect(rounds: Sequence[T], figure: Callable[[T], float]) -> "Spread | None":
    values = []
    for round_ in rounds:
        with contextlib.suppress(
            KeyError, ZeroDivisionError, MissingFigureError
        ):  # a contender has failed, or was not asked for
            values.append(figure(round_))
    return Spread.of(values)


@dataclass(frozen=True)
class Spread:
    """A figure over the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Summarise the figures of the rounds; `None` where there are none."""
        return cls(median(values), min(values), max(values)) if values else None


_FILE = TypeAdapter(Results)


def save(results: Results, path: Path) -> None:
    """Keep the results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FILE.dump_json(results, indent=1) + b"\n")


def load(path: Path) -> Results:
    """Read kept results."""
    return _FILE.validate_json(path.read_bytes())
