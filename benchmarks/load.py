"""The load generator: requests written out beforehand, over sockets and epoll, with every answer checked.

The closed loop keeps a fixed number of requests under way, and gives the throughput. The open loop sends at fixed
times, whatever has come back, and measures from the time at which a request was due: a server that stalls is charged
for all the requests that the stall has held up (G. Tene, "How NOT to Measure Latency", on coordinated omission).
"""

import contextlib
import gc
import math
import re
import select
import time
from bisect import bisect
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, cycle, islice
from typing import Literal

from benchmarks.connection import Address, Connection, Request, Response

_OK = 200
_UNAVAILABLE = 503
GOOD_S = 1.0
"""How long an answer may take to count as goodput; one that is not there by then has failed."""
_DRAIN_S = 10.0  # how long a server is given to answer what is under way when a run ends, so that the next is clean
_IDLE_S = 2.0  # how long a connection is kept for the next request: less than any server keeps it
_TICK_S = 0.05

Outcome = Literal["right", "wrong", "refused", "failed"]


@dataclass
class Tally:
    """What came of the requests of one run."""

    seconds: float = 0.0
    right: int = 0
    good: int = 0
    """Those of the right answers that took no longer than `GOOD_S`, and came while the run was being measured."""
    wrong: int = 0
    refused: int = 0
    """Answered with 503."""
    failed: int = 0
    """Any other status, a broken connection, or no answer in time."""
    unsent: int = 0
    """Due when no connection was free."""
    latencies_s: list[float] = field(default_factory=list)
    """Of the right answers."""
    refusals_s: list[float] = field(default_factory=list)
    """How long the refusals took."""

    def add(self, outcome: Outcome, latency_s: float) -> None:
        """Count one request."""
        match outcome:
            case "right":
                self.right += 1
                self.latencies_s.append(latency_s)
            case "refused":
                self.refused += 1
                self.refusals_s.append(latency_s)
            case "wrong":
                self.wrong += 1
            case "failed":
                self.failed += 1

    @property
    def throughput(self) -> float:
        """Right answers a second."""
        return self.right / self.seconds

    @property
    def goodput(self) -> float:
        """Right answers a second that took no longer than `GOOD_S`."""
        return self.good / self.seconds


@dataclass(frozen=True)
class Target:
    """Where the requests go and how an answer is read."""

    address: Address
    requests: Sequence[Request]
    answer: re.Pattern[bytes] | None
    """Finds the class ids in the body of an answer, in order; `None` where any answer is right."""

    def judge(self, request: Request, response: Response) -> Outcome:
        """Tell what came of a request."""
        if response.status == _UNAVAILABLE:
            return "refused"
        if response.status != _OK:
            return "failed"
        if self.answer is None:
            return "right"
        class_ids = tuple(map(int, self.answer.findall(response.body)))
        return "right" if class_ids == request.class_ids else "wrong"


def run_closed(target: Target, *, concurrency: int, seconds: float, warm_up_s: float) -> Tally:
    """Keep `concurrency` requests under way, each on its own connection, for `warm_up_s` and then `seconds`."""
    tally = Tally(seconds=seconds)
    start = time.perf_counter() + warm_up_s
    with contextlib.closing(_keep_asking(target, concurrency)) as answers:
        for outcome, now, latency_s in answers:
            if now >= start + seconds:
                break
            if now >= start and outcome is not None:
                tally.add(outcome, latency_s)
                tally.good += outcome == "right" and latency_s <= GOOD_S
    return tally


def run_count(target: Target, *, concurrency: int, requests: int) -> Tally:
    """Keep `concurrency` requests under way until so many are answered."""
    tally = Tally()
    started = time.perf_counter()
    with contextlib.closing(_keep_asking(target, concurrency)) as answers:
        for outcome, _, latency_s in islice((answer for answer in answers if answer[0] is not None), requests):
            tally.add(outcome or "failed", latency_s)
    tally.seconds = time.perf_counter() - started
    return tally


def _keep_asking(target: Target, concurrency: int) -> Generator[tuple[Outcome | None, float, float], None, None]:
    """Give the outcome, the time and the latency of one request after the other; no outcome while all wait."""
    poller = select.epoll()
    requests = cycle(target.requests)
    clock = time.perf_counter
    connections: dict[int, Connection] = {}

    def open_connection() -> None:
        connection = Connection(target.address, poller)
        connections[connection.fileno()] = connection
        connection.send(next(requests), clock())

    with _quiet_memory(), poller:
        try:
            for _ in range(concurrency):
                open_connection()
            while True:
                for descriptor, events in poller.poll(_TICK_S):
                    connection = connections[descriptor]
                    response = connection.handle(events)
                    if response is None:
                        continue
                    now = clock()
                    answered, latency_s = connection.request, now - connection.due
                    if connection.is_open:
                        connection.send(next(requests), now)
                    else:
                        del connections[descriptor]
                        open_connection()
                    yield target.judge(answered, response), now, latency_s
                yield None, clock(), 0.0
        finally:
            _drain(poller, connections.values())


def _drain(poller: select.epoll, connections: Iterable[Connection]) -> None:
    """Wait until nothing is under way any more, and close the connections."""
    under_way = {connection.fileno(): connection for connection in connections if connection.is_open}
    deadline = time.perf_counter() + _DRAIN_S
    while under_way and time.perf_counter() < deadline:
        for descriptor, events in poller.poll(_TICK_S):
            if descriptor in under_way and under_way[descriptor].handle(events) is not None:
                under_way.pop(descriptor).close()
    for connection in under_way.values():
        connection.close()


class _Pool:
    """Connections that are opened when none is free, up to a limit."""

    def __init__(self, address: Address, poller: select.epoll, limit: int) -> None:
        self._address = address
        self._poller = poller
        self._limit = limit
        self._idle: deque[Connection] = deque()
        self.by_descriptor: dict[int, Connection] = {}

    def take(self) -> Connection | None:
        """Give a free connection, the one used last first; `None` when all are under way."""
        if self._idle:
            return self._idle.pop()
        if len(self.by_descriptor) >= self._limit:
            return None
        connection = Connection(self._address, self._poller)
        self.by_descriptor[connection.fileno()] = connection
        return connection

    def put_back(self, connection: Connection) -> None:
        """Take a connection back whose request is answered."""
        if connection.is_open:
            self._idle.append(connection)
        else:
            del self.by_descriptor[connection.fileno()]

    def find_busy(self) -> list[Connection]:
        """Give those that are under way."""
        idle = {connection.fileno() for connection in self._idle}
        return [connection for descriptor, connection in self.by_descriptor.items() if descriptor not in idle]

    def close_idle(self, before: float = math.inf) -> None:
        """Close those that are not under way and whose last request was due before a time."""
        while self._idle and self._idle[0].due < before:
            connection = self._idle.popleft()
            del self.by_descriptor[connection.fileno()]
            connection.close()


@dataclass(frozen=True)
class Phase:
    """A time in which requests are due at even intervals."""

    rate: float
    """Requests a second."""
    seconds: float


def run_open(target: Target, *, rate: float, seconds: float, warm_up_s: float, max_connections: int) -> Tally:
    """Send `rate` requests a second at even intervals, for `warm_up_s` and then `seconds`, whatever comes back."""
    phases = Phase(rate, warm_up_s), Phase(rate, seconds)
    return run_phases(target, phases, max_connections=max_connections)[-1]


def run_phases(
    target: Target,
    phases: Sequence[Phase],
    *,
    max_connections: int,
    beside: Callable[[float], None] = lambda _: None,
) -> list[Tally]:
    """Send requests at the times of one phase after the other, whatever comes back.

    Args:
        target: where they go.
        phases: how many, and for how long.
        max_connections: a request that is due when so many are under way is not sent.
        beside: called again and again with the time, to do something else meanwhile.

    Returns:
        What came of each phase's requests; an answer is good in the phase in which it came.
    """
    poller = select.epoll()
    requests = cycle(target.requests)
    tallies = [Tally(seconds=phase.seconds) for phase in phases]
    pool = _Pool(target.address, poller, max_connections)
    clock = time.perf_counter
    with _quiet_memory(), poller:
        begin = clock() + 0.01
        starts = list(accumulate((phase.seconds for phase in phases), initial=begin))
        end = starts.pop()
        dues = _list_dues(phases, starts)
        due = next(dues)
        while (now := clock()) < end + GOOD_S:
            beside(now)
            pool.close_idle(now - _IDLE_S)
            while due <= now:
                request, connection = next(requests), pool.take()
                if connection is not None:
                    connection.send(request, due)
                else:
                    tallies[bisect(starts, due) - 1].unsent += 1
                due = next(dues, math.inf)
            for descriptor, events in poller.poll(0):  # never sleeps: a timer would be late by as much as it measures
                connection = pool.by_descriptor[descriptor]
                response = connection.handle(events)
                if response is None:
                    continue
                now = clock()
                outcome, latency_s = target.judge(connection.request, response), now - connection.due
                tallies[bisect(starts, connection.due) - 1].add(outcome, latency_s)
                if outcome == "right" and latency_s <= GOOD_S and now < end:
                    tallies[bisect(starts, now) - 1].good += 1
                pool.put_back(connection)
        busy = pool.find_busy()
        for connection in busy:
            tallies[bisect(starts, connection.due) - 1].failed += 1
        pool.close_idle()
        _drain(poller, busy)
    return tallies


def _list_dues(phases: Sequence[Phase], starts: Sequence[float]) -> Iterator[float]:
    for phase, start in zip(phases, starts, strict=True):
        for number in range(round(phase.rate * phase.seconds)):
            yield start + number / phase.rate


@contextlib.contextmanager
def _quiet_memory() -> Iterator[None]:
    """Keep the garbage collector from pausing the generator."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
