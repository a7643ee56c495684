"""The targets, and whether a run has met them."""

import math
from collections.abc import Iterator, Mapping
from functools import partial

from benchmarks.before import COMPARED_AT, EARLIER
from benchmarks.inputs import FORMS
from benchmarks.lineup import PEERS, SERVICE
from benchmarks.measure import CONCURRENCIES
from benchmarks.production import OFF, ON, PRODUCTION_AT, PRODUCTION_FORMS
from benchmarks.protocol_figures import judge_protocols
from benchmarks.results import Loop, Results, Round, Row, Spread, Throughputs, need
from benchmarks.verdicts import Verdict, at_least, at_most, once

_MB = 1e6
_TWICE = 2.0
_DEADLINE_S = 10  # the service's default

_MODELS = (("the tutorial's model", False), ("the project's model", True))

AGAINST_BEFORE = 0.97
"""The least share of the earlier revision's throughput."""
AGAINST_OFF = 0.98
"""The least share of the throughput without all that serves the operation."""


def judge(run: Results) -> list[Verdict]:
    """Hold a run against every target."""
    return [
        *(judge_protocols(run.protocols) if run.protocols else ()),
        *_judge_comparison(run),
        *_judge_production(run),
        *_judge_shares(run),
        *_judge_peers(run),
        *_judge_twice(run),
        *_judge_overload(run),
        *_judge_slow_callers(run),
        *_judge_process(run),
        *_judge_once(run),
    ]


def share_of_limit(round_: Round, form: str, concurrency: int) -> float:
    """The service's throughput as a share of 1 / (t_route + t_engine), as defined in benchmarks/README.md."""
    route_s = 1 / round_.rows["constant"].closed[form][concurrency].throughput
    return round_.rows["service"].closed[form][concurrency].throughput * (route_s + min(round_.engine_s.values()))


def share_of_before(round_: Throughputs, form: str, concurrency: int, *, name: str = SERVICE.name) -> float:
    """A server's throughput as a share of the earlier revision's."""
    ours, theirs = (get_throughput(round_, server, form, concurrency) for server in (name, EARLIER.name))
    return ours / theirs


def get_throughput(round_: Throughputs, name: str, form: str, concurrency: int) -> float:
    """Give a server's right answers a second."""
    return round_[name][form][concurrency]


def _judge_comparison(run: Results) -> Iterator[Verdict]:
    for concurrency in COMPARED_AT:
        for form in FORMS:
            share = partial(share_of_before, form=form, concurrency=concurrency)
            spread = run.comparison.collect(share) if run.comparison else None
            yield at_least(
                f"throughput against the earlier revision, concurrency {concurrency}, {form}", AGAINST_BEFORE, spread
            )


def share_of_off(pair: Throughputs, form: str, concurrency: int) -> float:
    """The throughput with all that serves the operation, as a share of that without."""
    on, off = (get_throughput(pair, name, form, concurrency) for name in (ON, OFF))
    return on / off


def _judge_production(run: Results) -> Iterator[Verdict]:
    if not run.production:
        return
    for concurrency in PRODUCTION_AT:
        for form in PRODUCTION_FORMS:
            spread = Spread.of([share_of_off(pair, form, concurrency) for pair in run.production])
            figure = f"throughput with metrics and logs against without, concurrency {concurrency}, {form}"
            yield at_least(figure, AGAINST_OFF, spread)


def _judge_shares(run: Results) -> Iterator[Verdict]:
    for form in FORMS:
        spread = run.collect(partial(share_of_limit, form=form, concurrency=16))
        yield at_least(f"throughput as a share of the limit, concurrency 16, {form}", 0.85, spread)


def _judge_peers(run: Results) -> Iterator[Verdict]:
    for concurrency in (16, 64):
        for model, has_own in _MODELS:
            spread = run.collect(partial(_against_peers, concurrency=concurrency, has_own=has_own))
            figure = f"against the fastest peer on the same JSON body, concurrency {concurrency}, {model}"
            yield at_least(figure, 2, spread, "×")
    for concurrency in (16, 64):
        spread = run.collect(partial(_against_tutorial, concurrency=concurrency))
        yield at_least(f"against the tutorial's pattern, concurrency {concurrency}", 150, spread, "×")
    for form in FORMS:
        name = f"p50 at concurrency 1, above the constant route plus the engine at batch 1, {form}"
        yield at_most(name, 0.10, run.collect(partial(_overhead_ms, form=form)), "ms")


def _judge_twice(run: Results) -> Iterator[Verdict]:
    yield at_least("goodput at twice the capacity, as a share of peak, array", 0.75, run.collect(_goodput_share))
    for form in SERVICE.open_forms:
        refusal = run.collect(partial(_refusal_ms, form=form))
        yield at_most(f"time to refuse at twice the capacity, p99, {form}", 20, refusal, "ms")


def _judge_overload(run: Results) -> Iterator[Verdict]:
    overload = run.overload
    if overload is None:
        return
    flood = f"ten times the capacity for {overload.seconds:g} s"
    yield at_most(f"{flood}: the slowest accepted request", _DEADLINE_S, once(overload.longest_s), "s")
    yield at_most(f"{flood}: requests neither answered in time nor refused", 0, once(overload.failed))
    yield at_most(f"{flood}: most memory, above that before", 20, once(overload.grown_bytes / _MB), "MB")
    recovered_s = math.inf if overload.recovered_s is None else overload.recovered_s
    yield at_most(f"{flood}: until answers are as fast as before", 1, once(recovered_s), "s")


def _judge_slow_callers(run: Results) -> Iterator[Verdict]:
    rounds = run.slow_callers
    if not rounds:
        return
    beside = "half of the capacity beside 500 slow callers"
    yield at_most(
        f"{beside}: p99 over that without", 1.5, Spread.of([at.beside_ms / at.alone_ms for at in rounds]), "×"
    )
    yield at_most(f"{beside}: requests refused or failed", 0, Spread.of([at.lost for at in rounds]))


def _judge_process(run: Results) -> Iterator[Verdict]:
    for model, has_own in _MODELS:
        start = run.collect(partial(_start_s, has_own=has_own))
        yield at_most(f"start to first right answer, compiled form in the cache, {model}", 1, start, "s")
        rss = run.collect(partial(_resident_mb, has_own=has_own))
        yield at_most(f"resident memory of one worker, after the closed loops, {model}", 130, rss, "MB")
    speed_up = run.collect(lambda round_: need(round_.two_workers) / need(round_.one_worker))
    yield at_least("two workers on two cores, against one, engine-bound work", 1.8, speed_up, "×")


def _judge_once(run: Results) -> Iterator[Verdict]:
    for load, lag_ms in run.lag_ms.items():
        yield at_most(f"event-loop lag, p99, {load}", 5, once(lag_ms), "ms")
    if run.rss_after:
        (few, before), (many, after) = sorted(run.rss_after.items())
        name = f"memory after {many:,} predictions, against after {few:,}"
        yield at_most(name, 2, once((after - before) / _MB), "MB")


def _rows(round_: Round, *, has_own: bool) -> Mapping[str, Row]:
    return round_.shipped if has_own else round_.rows


def _against_peers(round_: Round, concurrency: int, *, has_own: bool) -> float:
    rows = _rows(round_, has_own=has_own)
    peers = [rows[peer.name].closed for peer in PEERS if peer.name in rows]
    fastest = max((closed["array"][concurrency].throughput for closed in peers if "array" in closed), default=None)
    return rows["service"].closed["array"][concurrency].throughput / need(fastest)


def _against_tutorial(round_: Round, concurrency: int) -> float:
    tutorial = round_.rows["tutorial"].closed["array"][concurrency].throughput
    return _service(round_, "array", concurrency).throughput / tutorial


def _service(round_: Round, form: str, concurrency: int) -> Loop:
    return round_.rows["service"].closed[form][concurrency]


def _goodput_share(round_: Round) -> float:
    peak = max(_service(round_, "array", concurrency).throughput for concurrency in CONCURRENCIES)
    return round_.rows["service"].open["array"][_TWICE].goodput / peak


def _refusal_ms(round_: Round, form: str) -> float:
    return need(round_.rows["service"].open[form][_TWICE].refusal).p99_ms


def _overhead_ms(round_: Round, form: str) -> float:
    ours = need(_service(round_, form, 1).latency)
    floor = need(round_.rows["constant"].closed[form][1].latency)
    return ours.p50_ms - floor.p50_ms - round_.engine_s[1] * 1e3


def _start_s(round_: Round, *, has_own: bool) -> float:
    return need(_rows(round_, has_own=has_own)["service"].start_s)


def _resident_mb(round_: Round, *, has_own: bool) -> float:
    return need(_rows(round_, has_own=has_own)["service"].memory).rss / _MB
