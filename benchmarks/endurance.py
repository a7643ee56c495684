"""Work for the engine rather than for HTTP: many images a request, by one worker and by two, and for a long time."""

import time

from benchmarks.lineup import SERVICE
from benchmarks.load import Tally, Target, run_closed, run_count
from benchmarks.measure import GENERATOR_CORE, SERVER_CORE, WARM_UP_S, Bench, check
from benchmarks.servers import ContenderError

_IMAGES_A_REQUEST = 64
_CONNECTIONS = 16
_ROOMY = {"FASHION_MAX_QUEUE_SIZE": "4096"}  # 16 connections of 64 images are more than the default holds
_SETTLE_S = 3.0  # the first worker answers before the second one listens, and would take all the connections
RSS_AFTER = (100_000, 1_000_000)
"""Predictions after which the memory is looked at."""


def measure_workers(bench: Bench, workers: int) -> float:
    """Images a second with requests of 64 images, by so many workers on as many cores."""
    cores = frozenset((SERVER_CORE, GENERATOR_CORE)[:workers])
    with bench.run(SERVICE, cores=cores, settings={"FASHION_WORKERS": str(workers), **_ROOMY}) as server:
        server.wait_for(bench.target(SERVICE, server, "array"))
        time.sleep(_SETTLE_S)
        target = Target(server.address, bench.inputs.in_batches(_IMAGES_A_REQUEST), SERVICE.answer)
        tally = run_closed(target, concurrency=_CONNECTIONS, seconds=bench.seconds, warm_up_s=3 * WARM_UP_S)
        return _check_all(tally).throughput * _IMAGES_A_REQUEST


def measure_endurance(bench: Bench, *, scale: float = 1.0) -> dict[int, int]:
    """Resident bytes of one worker after so many predictions; `scale` makes it fewer."""
    resident = {}
    with bench.run(SERVICE, settings=_ROOMY) as server:
        server.wait_for(bench.target(SERVICE, server, "array"))
        target = Target(server.address, bench.inputs.in_batches(_IMAGES_A_REQUEST), SERVICE.answer)
        made = 0
        for goal in RSS_AFTER:
            requests = round((goal * scale - made) / _IMAGES_A_REQUEST)
            _check_all(run_count(target, concurrency=_CONNECTIONS, requests=requests))
            made += requests * _IMAGES_A_REQUEST
            memory = server.measure_memory()
            resident[goal] = memory.rss
    return resident


def _check_all(tally: Tally) -> Tally:
    """Let nothing pass that was refused: a refusal is cheap, and would be counted as work."""
    if tally.refused:
        raise ContenderError(f"refused {tally.refused} requests, where none should be")
    return check(tally)
