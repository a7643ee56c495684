"""The load generator: requests written out beforehand, over sockets and epoll, with every answer checked.

The closed loop keeps a fixed number of requests under way, and gives the throughput. The open loop sends at fixed
times, whatever has come back, and measures from the time at which a request was due: a server that stalls is charged
for all the requests that the stall has held up (G. Tene, "How NOT to Measure Latency", on coordinated omission).
"""

import contextlib
import gc
import re
import select
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Literal

from benchmarks.connection import Address, Connection, Request, Response

_OK = 200
_UNAVAILABLE = 503
GRACE_S = 1.0
"""How long an answer may take to count as goodput; the open loop waits no longer for the last ones."""

_TICK_S = 0.05

Outcome = Literal["right", "wrong", "refused", "failed"]


@dataclass
class Tally:
    """What came of the requests of one run."""

    seconds: float = 0.0
    right: int = 0
    wrong: int = 0
    refused: int = 0
    """Answered with 503."""
    failed: int = 0
    """Any other status, a broken connection, no answer in time, or no connection free."""
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
        """Right answers a second that took no longer than `GRACE_S`."""
        return sum(latency <= GRACE_S for latency in self.latencies_s) / self.seconds


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
    for outcome, now, latency_s in _keep_asking(target, concurrency):
        if now >= start + seconds:
            break
        if now >= start and outcome is not None:
            tally.add(outcome, latency_s)
    return tally


def run_count(target: Target, *, concurrency: int, requests: int) -> Tally:
    """Keep `concurrency` requests under way until so many are answered."""
    tally = Tally()
    started = time.perf_counter()
    answered = (answer for answer in _keep_asking(target, concurrency) if answer[0] is not None)
    for outcome, _, latency_s in islice(answered, requests):
        tally.add(outcome or "failed", latency_s)
    tally.seconds = time.perf_counter() - started
    return tally


def _keep_asking(target: Target, concurrency: int) -> Iterator[tuple[Outcome | None, float, float]]:
    """Give the outcome, the time and the latency of one request after the other; no outcome while all wait."""
    poller = select.epoll()
    requests = cycle(target.requests)
    clock = time.perf_counter
    connections: dict[int, Connection] = {}

    def open_connection() -> None:
        connection = Connection(target.address, poller)
        connections[connection.fileno()] = connection
        connection.send(next(requests), clock())

    try:
        with _quiet_memory(), poller:
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
        for connection in connections.values():
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
            self.by_descriptor = {key: value for key, value in self.by_descriptor.items() if value is not connection}

    def close(self) -> int:
        """Close all; tells how many were still under way."""
        busy = len(self.by_descriptor) - len(self._idle)
        for connection in self.by_descriptor.values():
            connection.close()
        return busy


def run_open(target: Target, *, rate: float, seconds: float, warm_up_s: float, max_connections: int) -> Tally:
    """Send `rate` requests a second at even intervals, for `warm_up_s` and then `seconds`, whatever comes back.

    A request that is due when all connections are under way is not sent, and counts as failed.
    """
    poller = select.epoll()
    requests = cycle(target.requests)
    tally = Tally(seconds=seconds)
    pool = _Pool(target.address, poller, max_connections)
    clock = time.perf_counter
    with _quiet_memory(), poller:
        begin = clock() + 0.01
        start, end = begin + warm_up_s, begin + warm_up_s + seconds
        interval, sent = 1 / rate, 0
        while (now := clock()) < end + GRACE_S:
            while (due := begin + sent * interval) <= now and due < end:
                sent += 1
                request = next(requests)
                connection = pool.take()
                if connection is not None:
                    connection.send(request, due)
                elif due >= start:
                    tally.add("failed", 0)
            for descriptor, events in poller.poll(0):  # never sleeps: a timer would be late by as much as it measures
                connection = pool.by_descriptor[descriptor]
                response = connection.handle(events)
                if response is None:
                    continue
                if connection.due >= start:
                    tally.add(target.judge(connection.request, response), clock() - connection.due)
                pool.put_back(connection)
        tally.failed += pool.close()
    return tally


@contextlib.contextmanager
def _quiet_memory() -> Iterator[None]:
    """Keep the garbage collector from pausing the generator."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
