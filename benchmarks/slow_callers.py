"""Five hundred callers that send a body a byte a second: what the others notice."""

import contextlib
import socket
from collections import deque
from types import TracebackType
from typing import Self

from benchmarks.connection import Address
from benchmarks.inputs import post
from benchmarks.lineup import SERVICE
from benchmarks.load import Phase, Tally, run_closed, run_phases
from benchmarks.measure import CONCURRENCIES, MAX_CONNECTIONS, WARM_UP_S, Bench, check
from benchmarks.results import Latency, SlowCallersRound
from benchmarks.servers import ContenderError

_FORM = "array"
_CALLERS = 500
_SHARE = 0.5  # of the capacity
_SETTLE_S = 2.0  # all have connected after one second
_LENGTH = 5  # times the length of a measurement: longer than the service's deadline for a body
_BYTE_S = 1.0
_BODY = b" " * 100_000
_REQUEST = post("/api/v1/predictions", "application/json", _BODY)
_HEAD = _REQUEST.removesuffix(_BODY)


class SlowCallers:
    """Callers that each send a byte a second, and connect anew when they are answered or cut off."""

    def __init__(self, address: Address, count: int) -> None:
        self._address = address
        self._interval_s = _BYTE_S / count
        self._next = 0.0
        self._callers: deque[socket.socket | None] = deque([None] * count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for caller in self._callers:
            if caller is not None:
                caller.close()

    def act(self, now: float) -> None:
        """Let one caller after the other do what is due."""
        self._next = self._next or now
        while self._next <= now:
            self._next += self._interval_s
            self._callers.append(self._send_byte(self._callers.popleft()))

    def _send_byte(self, caller: socket.socket | None) -> socket.socket:
        if caller is not None:
            with contextlib.suppress(OSError):
                if not _has_received(caller):
                    caller.send(b" ")
                    return caller
            caller.close()
        caller = socket.create_connection(self._address)
        caller.send(_HEAD)
        caller.settimeout(0)
        return caller


def _has_received(caller: socket.socket) -> bool:
    """Tell whether an answer or the end of the connection is there: either way, the request is over."""
    try:
        caller.recv(1)
    except BlockingIOError:
        return False
    return True


def measure_slow_callers(bench: Bench, rounds: int) -> list[SlowCallersRound]:
    """Send half of the capacity, alone and beside the slow callers, in turns.

    Raises:
        ContenderError: the service does not start, answers wrongly, or does not answer at all.
    """
    with bench.run(SERVICE) as server:
        target = bench.target(SERVICE, server, _FORM)
        server.wait_for(target)
        closed = run_closed(target, concurrency=CONCURRENCIES[-1], seconds=bench.seconds, warm_up_s=WARM_UP_S)
        rate = check(closed).throughput * _SHARE
        phases = Phase(rate, _SETTLE_S), Phase(rate, bench.seconds * _LENGTH)
        measured = []
        for _ in range(rounds):
            alone = run_phases(target, phases, max_connections=MAX_CONNECTIONS)[-1]
            with SlowCallers(server.address, _CALLERS) as callers:
                beside = run_phases(target, phases, max_connections=MAX_CONNECTIONS, beside=callers.act)[-1]
            lost = beside.refused + beside.failed + beside.unsent
            measured.append(SlowCallersRound(_find_p99_ms(alone), _find_p99_ms(beside), lost))
        return measured


def _find_p99_ms(tally: Tally) -> float:
    latency = Latency.of(check(tally).latencies_s)
    if latency is None:
        raise ContenderError("answers nothing at half of its capacity")
    return latency.p99_ms
