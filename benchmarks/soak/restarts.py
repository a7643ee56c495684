"""Services that are restarted, and workers that are killed, while requests keep coming."""

import asyncio
import os
import signal
import time
from pathlib import Path
from statistics import median

from benchmarks.soak.balancer import OVERLOADED, Balancer, exchange
from benchmarks.soak.requests import INDEX
from benchmarks.soak.service import SoakedService, SoakError, soak

_CALLERS = 16
_PAUSE_S = 0.01
"""Between two requests of a caller: together they ask for 1,600 a second, and leave a start some of the processors."""
_BETWEEN_KILLS_S = 13.0  # five ends within a minute would slow the restarts down


def restart(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Restart two services in turn, one with one worker and one with two, behind a balancer at half of the capacity.

    Raises:
        SoakError: a request was lost, or got another answer than 200 or that the service is overloaded.
    """
    restarts = 4 if is_quick else 100
    with (
        soak(folder, FASHION_DRAIN_DELAY_S="0.5") as first,
        soak(folder, workers=2, FASHION_DRAIN_DELAY_S="0.5") as second,
    ):
        rate = asyncio.run(_measure_capacity(first, second)) / 2
        balancer = Balancer([first.address, second.address])
        asyncio.run(_restart([first, second], balancer, rate=rate, restarts=restarts))
    outcomes = balancer.outcomes
    lost = {outcome: count for outcome, count in outcomes.items() if outcome not in {"200", OVERLOADED}}
    if lost:
        raise SoakError(f"of {outcomes.total()} requests these were lost: {lost}")
    return {
        "restarts": str(restarts),
        "requests": f"{outcomes.total()} at {rate:.0f}/s",
        "lost": "0",
        "refused, where others used the machine and half of its capacity was too much": str(outcomes[OVERLOADED]),
    }


async def _measure_capacity(service: SoakedService, other: SoakedService) -> float:
    """Requests a second that one service answers while another restarts on the same machine."""
    answered, is_over = 0, False
    started = time.perf_counter()

    async def call() -> None:
        nonlocal answered
        streams = await asyncio.open_connection(*service.address)
        while not is_over:
            await exchange(streams, INDEX)
            answered += 1
        streams[1].close()

    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(call())
        await asyncio.to_thread(other.stop)
        await asyncio.to_thread(other.start)
        is_over = True
    return answered / (time.perf_counter() - started)


async def _restart(services: list[SoakedService], balancer: Balancer, *, rate: float, restarts: int) -> None:
    is_over = asyncio.Event()

    async def restart_in_turn() -> None:
        try:
            for number in range(restarts):
                service = services[number % len(services)]
                await asyncio.to_thread(service.stop)
                await asyncio.to_thread(service.start)
                await asyncio.sleep(0.5)  # the balancer asks ten times a second who is ready
        finally:
            is_over.set()

    async with balancer.following(), asyncio.TaskGroup() as group:
        await asyncio.sleep(1)
        group.create_task(restart_in_turn())
        group.create_task(balancer.send_evenly(INDEX, rate=rate, until=is_over))


def kill_workers(folder: Path, *, is_quick: bool) -> dict[str, str]:
    """Kill one of two workers again and again, under load.

    Raises:
        SoakError: a request of the other worker was lost, or its replacement took more than twice the cold start.
    """
    kills = 2 if is_quick else 20
    service = SoakedService(folder, workers=2)
    try:
        cold_s = service.start()
        lost, ready_s = asyncio.run(_kill_under_load(service, kills, pause_s=1.0 if is_quick else _BETWEEN_KILLS_S))
        service.stop()
    finally:
        service.end()
    if max(ready_s) > 2 * cold_s:
        raise SoakError(f"ready again after {max(ready_s):.2f} s, where a cold start takes {cold_s:.2f} s")
    return {
        "kills": str(kills),
        "lost, all of them the killed worker's": str(lost),
        "ready again, median and longest": f"{median(ready_s):.2f} s, {max(ready_s):.2f} s",
        "cold start": f"{cold_s:.2f} s",
    }


async def _kill_under_load(service: SoakedService, kills: int, *, pause_s: float) -> tuple[int, list[float]]:
    lost_ports: set[int] = set()
    is_over = False

    async def call() -> None:
        while not is_over:
            streams = await asyncio.open_connection(*service.address)
            port: int = streams[1].get_extra_info("sockname")[1]
            try:
                while not is_over:
                    await exchange(streams, INDEX)
                    await asyncio.sleep(_PAUSE_S)
            except (OSError, asyncio.IncompleteReadError):
                lost_ports.add(port)
            streams[1].close()

    lost, ready_s = 0, []
    async with asyncio.TaskGroup() as group:
        for _ in range(_CALLERS):
            group.create_task(call())
        for number in range(kills):
            await asyncio.sleep(pause_s)
            victim = service.find_workers()[number % 2]
            its_own, ready = service.find_callers(victim), service.count_ready()
            killed_at = time.perf_counter()
            os.kill(victim, signal.SIGKILL)
            await asyncio.to_thread(service.wait_until_ready, ready + 1)
            ready_s.append(time.perf_counter() - killed_at)
            if not lost_ports <= its_own:
                raise SoakError(f"lost requests of another worker: {len(lost_ports - its_own)}")
            lost += len(lost_ports)
            lost_ports.clear()
        is_over = True
    return lost, ready_s
