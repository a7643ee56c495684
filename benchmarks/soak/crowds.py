"""Crowds of callers: slow ones, and more than the service can answer, while somebody asks for its health."""

import asyncio
import contextlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from benchmarks.connection import Address, Request
from benchmarks.load import Tally, Target, run_closed, run_open
from benchmarks.measure import GENERATOR_CORE, SERVER_CORE
from benchmarks.soak.balancer import exchange
from benchmarks.soak.requests import INDEX, PROBES
from benchmarks.soak.service import SoakedService, SoakError, soak

_OK = 200
_EVERY_S = 0.05
_PROBE_LIMIT_S = 0.05
_MANY_CONNECTIONS = 256  # twice the requests that a worker lets in at once


def find_percentile(values: list[float], share: float) -> float:
    """The smallest value that so many of the values do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


async def ask_for_health(address: Address, seconds: float) -> list[float]:
    """Ask /livez and /readyz in turn, each on a connection of its own; gives how long each answer took.

    Raises:
        SoakError: an answer is not 200.
    """
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    for probe in cycle(PROBES):
        if time.perf_counter() >= end:
            return latencies
        started = time.perf_counter()
        streams = await asyncio.open_connection(*address)
        status, _ = await exchange(streams, probe)
        latencies.append(time.perf_counter() - started)
        streams[1].close()
        if status != _OK:
            raise SoakError(f"a probe was answered {status}")
        await asyncio.sleep(_EVERY_S)
    return latencies


def _probe_and_report(address: Address, seconds: float, pipe: Pipe) -> None:
    pipe.send(asyncio.run(ask_for_health(address, seconds)))


@contextlib.contextmanager
def probing(address: Address, seconds: float) -> Iterator[Callable[[], list[float]]]:
    """Have another process ask for health meanwhile; what is given waits for its end and gives the latencies."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_probe_and_report, args=(address, seconds, theirs))
    process.start()
    try:
        yield ours.recv
    finally:
        process.join()


def crowd_slowly(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Have 500 callers say nothing and 500 send a byte a second, while others are served.

    Raises:
        SoakError: a probe or a request of another caller was not answered 200.
    """
    callers, seconds = (50, 5.0) if is_quick else (500, 60.0)
    with soak(folder, workers=2) as service:
        open_at_end, answered, latencies = asyncio.run(_crowd_slowly(service, callers, seconds))
    return {
        "callers": f"{callers} silent, {callers} dripping, for {seconds:.0f} s",
        "of them connected at the end": str(open_at_end),
        "requests of others": f"{answered}, all answered",
        "probes, p99": f"{find_percentile(latencies, 0.99) * 1e3:.1f} ms of {len(latencies)}",
    }


async def _crowd_slowly(service: SoakedService, callers: int, seconds: float) -> tuple[int, int, list[float]]:
    end = time.perf_counter() + seconds
    open_at_end = answered = 0

    async def stay(text: bytes) -> None:
        nonlocal open_at_end
        reader, writer = await asyncio.open_connection(*service.address)
        with contextlib.suppress(OSError):
            for character in text or [0]:
                if text:
                    writer.write(bytes([character]))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(1.0, max(0.0, end - time.perf_counter())) if text else seconds):
                        await reader.read(1)
                        writer.close()
                        return
                if time.perf_counter() >= end:
                    break
            open_at_end += 1
        writer.close()

    async def call() -> None:
        nonlocal answered
        streams = await asyncio.open_connection(*service.address)
        while time.perf_counter() < end:
            status, _ = await exchange(streams, INDEX)
            if status != _OK:
                raise SoakError(f"a request was answered {status}")
            answered += 1
            await asyncio.sleep(_EVERY_S)
        streams[1].close()

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(stay(b""))
            group.create_task(stay(INDEX))
        for _ in range(4):
            group.create_task(call())
        health = group.create_task(ask_for_health(service.address, seconds))
    return open_at_end, answered, health.result()


def overload(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Offer ten times the capacity for a minute; afterwards the service must do as well as before.

    Raises:
        SoakError: a probe failed, an answer was wrong, or the throughput afterwards is less than 0.8 of before.
    """
    seconds = 5.0 if is_quick else 60.0
    with soak(folder, workers=2) as service:
        before = _measure(service)
        with probing(service.address, seconds) as wait_for_latencies:
            tally = _offer(service, 10 * before, seconds, connections=2 * _MANY_CONNECTIONS)
            latencies = wait_for_latencies()
        after = _measure(service)
        if service.read_log().count(": ready: ") > service.workers:
            raise SoakError("a worker was replaced")
    if after < 0.8 * before:  # noise, on a shared machine
        raise SoakError(f"{after:.0f} requests a second afterwards, {before:.0f} before")
    return {
        "offered": f"{10 * before:.0f}/s for {seconds:.0f} s, of which {_count(tally) / seconds:.0f}/s were answered",
        "answered, refused": f"{tally.right}, {tally.refused}",
        "before and afterwards": f"{before:.0f}/s, {after:.0f}/s",
        "probes, p99": f"{find_percentile(latencies, 0.99) * 1e3:.1f} ms of {len(latencies)}",
    }


def probe_at_twice_the_capacity(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Ask for health at twice the capacity; the service has a core to itself, the callers have another.

    Raises:
        SoakError: of the probes, one in a hundred took longer than 50 ms.
    """
    seconds = 5.0 if is_quick else 60.0
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        with soak(folder) as service:
            os.sched_setaffinity(0, {GENERATOR_CORE})
            capacity = _measure(service)
            with probing(service.address, seconds) as wait_for_latencies:
                tally = _offer(service, 2 * capacity, seconds, connections=_MANY_CONNECTIONS)
                latencies = wait_for_latencies()
    finally:
        os.sched_setaffinity(0, usable)
    p50_s, p99_s = find_percentile(latencies, 0.5), find_percentile(latencies, 0.99)
    if p99_s > _PROBE_LIMIT_S and not is_quick:
        raise SoakError(f"the probes' p99 is {p99_s * 1e3:.1f} ms, at {2 * capacity:.0f} requests a second")
    return {
        "offered, answered, refused": f"{2 * capacity:.0f}/s over {_MANY_CONNECTIONS} connections, {tally.right}, "
        f"{tally.refused}",
        "probes, p50 and p99": f"{p50_s * 1e3:.1f} ms, {p99_s * 1e3:.1f} ms of {len(latencies)}",
    }


def _measure(service: SoakedService) -> float:
    return run_closed(_make_target(service), concurrency=32, seconds=2.0, warm_up_s=0.5).throughput


def _offer(service: SoakedService, rate: float, seconds: float, *, connections: int) -> Tally:
    return run_open(_make_target(service), rate=rate, seconds=seconds, warm_up_s=0.0, max_connections=connections)


def _make_target(service: SoakedService) -> Target:
    return Target(service.address, [Request(INDEX, ())], None)


def _count(tally: Tally) -> int:
    return tally.right + tally.refused + tally.wrong
