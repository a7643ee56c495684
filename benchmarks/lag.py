"""How late the service's event loop is under load, and how fast the load generator could be."""

import json

import numpy as np

from benchmarks.connection import Request
from benchmarks.inputs import get
from benchmarks.lineup import IDLE, PROBED
from benchmarks.load import Target, run_closed, run_open
from benchmarks.measure import MAX_CONNECTIONS, WARM_UP_S, Bench, check
from benchmarks.servers import ContenderError, ask

_LAG = Request(get("/lag"), ())


def measure_ceiling(bench: Bench) -> float:
    """How many requests a second the load generator makes of a server that does next to nothing."""
    with bench.run(IDLE) as server:
        target = bench.target(IDLE, server, "index")
        server.wait_for(target)
        return run_closed(target, concurrency=64, seconds=bench.seconds, warm_up_s=WARM_UP_S).throughput


def measure_lag(bench: Bench) -> dict[str, float]:
    """The 99th percentile, in milliseconds, of how late a timer in the service's event loop is, by load."""
    lags = {}
    with bench.run(PROBED) as server:
        target = bench.target(PROBED, server, "array")
        server.wait_for(target)
        for concurrency in (16, 64):
            _read_lag(target)  # forgets what went before
            tally = run_closed(target, concurrency=concurrency, seconds=bench.seconds, warm_up_s=0)
            lags[f"closed loop, {concurrency} connections"] = _read_lag(target)
        rate = check(tally).throughput * 0.8
        run_open(target, rate=rate, seconds=bench.seconds, warm_up_s=0, max_connections=MAX_CONNECTIONS)
        lags["open loop, 80 % of capacity"] = _read_lag(target)
    return lags


def _read_lag(target: Target) -> float:
    response = ask(target.address, _LAG)
    if response is None:
        raise ContenderError("gives no answer at /lag")
    lags_s = json.loads(response.body)
    return round(float(np.percentile(lags_s, 99)) * 1e3, 3) if lags_s else 0.0
