"""What a turn of the service's event loop consists of under load: its length, its requests, its garbage collection.

    .venv/bin/python -m benchmarks.turns

The server is on core 0, the load generator on core 1. A turn's length is how long everyone else waits, so the figures
are weighted by time: what a request or a timer meets that comes at any moment.
"""

import argparse
import json
import os
import sys
from dataclasses import replace

import numpy as np

from benchmarks import environments
from benchmarks.connection import Request
from benchmarks.inputs import get, load_inputs, prepare_model
from benchmarks.lineup import SERVICE
from benchmarks.load import Target, run_closed
from benchmarks.measure import GENERATOR_CORE, WARM_UP_S, Bench, check
from benchmarks.servers import ContenderError, ask

_TURNING = replace(SERVICE, name="turning", command=["-m", "benchmarks.contenders.turning_service"])
_TURNS = Request(get("/turns"), ())
_FORMS = ("index", "array")
_CONCURRENCIES = (16, 64)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.turns", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long one measurement takes (default: 3)")
    seconds = parser.parse_args().seconds
    environments.install(environments.SERVICE)
    model = prepare_model(None)
    bench = Bench(model, load_inputs(model), seconds)
    os.sched_setaffinity(0, {GENERATOR_CORE})
    lines = [
        "| form | connections | requests/s | requests a batch | turn: median, p99, ms | garbage collection, ms/s |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for form in _FORMS:
        with bench.run(_TURNING) as server:
            target = bench.target(_TURNING, server, form)
            server.wait_for(target)
            lines += [_measure(bench, target, form, concurrency) for concurrency in _CONCURRENCIES]
    sys.stdout.write("\n".join(lines) + "\n")


def _measure(bench: Bench, target: Target, form: str, concurrency: int) -> str:
    """Measure one load; gives a line of the table."""
    run_closed(target, concurrency=concurrency, seconds=WARM_UP_S, warm_up_s=0)
    _read_turns(target)  # begins
    tally = check(run_closed(target, concurrency=concurrency, seconds=bench.seconds, warm_up_s=0))
    turns = _read_turns(target)[1:]  # the first began before the load
    lengths_s, requests, batches, collecting_s = turns.T
    ordered = np.sort(lengths_s)
    weights = np.cumsum(ordered) / ordered.sum()
    median, high = (ordered[np.searchsorted(weights, share)] * 1e3 for share in (0.5, 0.99))
    a_batch = requests.sum() / batches.sum()
    collecting = collecting_s.sum() / lengths_s.sum() * 1e3
    cells = (form, f"{concurrency}", f"{tally.throughput:,.0f}", f"{a_batch:.1f}", f"{median:.2f}, {high:.2f}")
    return f"| {' | '.join(cells)} | {collecting:.1f} |"


def _read_turns(target: Target) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    response = ask(target.address, _TURNS)
    if response is None:
        raise ContenderError("gives no answer at /turns")
    return np.array(json.loads(response.body), np.float64).reshape(-1, 4)


if __name__ == "__main__":
    main()
