"""One contender in one round: started, verified, warmed up, measured, weighed and ended."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.environments import SERVICE, python_of
from benchmarks.inputs import CACHE, Inputs, Model
from benchmarks.lineup import Contender, make_environment
from benchmarks.load import Tally, Target, run_closed, run_open
from benchmarks.results import Loop, Row
from benchmarks.servers import ContenderError, Server, find_free_port, serve, verify

CONCURRENCIES = (1, 16, 64)
LOADS = (0.5, 0.8, 2.0)
"""Rates of the open loop, as shares of the closed loop's throughput at the highest concurrency."""
SERVER_CORE, GENERATOR_CORE = 0, 1
MAX_CONNECTIONS = 4096
WARM_UP_S = 0.3
_OVERLOAD_WARM_UP_S = 2.0  # until the queues are as full as they get
_FIRST_WARM_UP_S = 1.0


@dataclass(frozen=True)
class Bench:
    """What every measurement needs."""

    model: Model
    inputs: Inputs
    seconds: float
    """How long one measurement takes."""

    @contextmanager
    def run(
        self,
        contender: Contender,
        *,
        cores: frozenset[int] = frozenset({SERVER_CORE}),
        settings: Mapping[str, str] | None = None,
    ) -> Iterator[Server]:
        """Run a contender's server; `settings` are more environment variables for it."""
        port = find_free_port()
        environment = {**make_environment(self.model, port), **(settings or {})}
        command = [str(python_of(contender.environment)), *contender.command]
        log = CACHE / "logs" / f"{contender.name}.log"
        with serve(command, port=port, environment=environment, cores=set(cores), log=log) as server:
            yield server

    def target(self, contender: Contender, server: Server, form: str) -> Target:
        """The requests of one form, for a running contender."""
        return Target(server.address, self.inputs.in_form(form), contender.answer)


def measure(bench: Bench, contender: Contender, row: Row) -> None:
    """Measure a contender once, into `row`.

    Raises:
        ContenderError: it does not start, or answers wrongly.
    """
    with bench.run(contender) as server:
        targets = {form: bench.target(contender, server, form) for form in contender.forms}
        first = next(iter(targets.values()))
        row.start_s = server.wait_for(first)
        for target in targets.values():
            verify(target)
        run_closed(first, concurrency=CONCURRENCIES[-1], seconds=min(_FIRST_WARM_UP_S, bench.seconds), warm_up_s=0)
        for form, target in targets.items():
            for concurrency in CONCURRENCIES:
                tally = run_closed(target, concurrency=concurrency, seconds=bench.seconds, warm_up_s=WARM_UP_S)
                row.closed.setdefault(form, {})[concurrency] = Loop.of(check(tally))
        row.memory = server.measure_memory()
        for form in contender.open_forms:
            capacity = row.closed[form][CONCURRENCIES[-1]].throughput
            row.open[form] = measure_open(bench, targets[form], capacity)


def measure_open(bench: Bench, target: Target, capacity: float) -> dict[float, Loop]:
    """Send at each of the fixed rates."""
    loops = {}
    for load in LOADS:
        rate = max(1.0, capacity * load)
        warm_up_s = WARM_UP_S if load < 1 else _OVERLOAD_WARM_UP_S
        tally = run_open(target, rate=rate, seconds=bench.seconds, warm_up_s=warm_up_s, max_connections=MAX_CONNECTIONS)
        loops[load] = Loop.of(check(tally), rate)
    return loops


def check(tally: Tally) -> Tally:
    """Let nothing pass that has given a wrong answer.

    Raises:
        ContenderError: it has.
    """
    if tally.wrong:
        raise ContenderError(f"gave {tally.wrong} wrong answers under load")
    return tally


def measure_engine(bench: Bench) -> dict[int, float]:
    """Measure the engine alone, on the servers' core: seconds an image, by batch size."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {SERVER_CORE})  # the child inherits it
    try:
        output = subprocess.run(  # noqa: S603  # our own
            [str(python_of(SERVICE)), "-m", "benchmarks.contenders.engine_alone"],
            env={**os.environ, **make_environment(bench.model, 0), "BATCH_SECONDS": str(min(0.5, bench.seconds))},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    finally:
        os.sched_setaffinity(0, usable)
    return {int(size): seconds for size, seconds in json.loads(output).items()}
