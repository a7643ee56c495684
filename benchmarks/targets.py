"""The targets, and whether a run has met them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.inputs import FORMS
from benchmarks.lineup import SERVICE
from benchmarks.measure import CONCURRENCIES
from benchmarks.results import Loop, Results, Round, Spread, need

_MB = 1e6
_OVERLOAD = 2.0


@dataclass(frozen=True)
class Verdict:
    """One row of the table of targets."""

    figure: str
    target: str
    measured: str
    is_met: bool | None
    """`None` where there is nothing to judge by."""


def judge(run: Results) -> list[Verdict]:
    """Hold a run against every target."""
    return [*_judge_shares(run), *_judge_peers(run), *_judge_overload(run), *_judge_process(run), *_judge_once(run)]


def share_of_limit(round_: Round, form: str, concurrency: int) -> float:
    """The service's throughput as a share of 1 / (t_route + t_engine), as defined in benchmarks/README.md."""
    route_s = 1 / round_.rows["constant"].closed[form][concurrency].throughput
    return round_.rows["service"].closed[form][concurrency].throughput * (route_s + round_.best_engine_s)


def fastest_peer(round_: Round, concurrency: int) -> float:
    """The highest throughput among the peers that were asked with the same JSON body.

    Raises:
        MissingFigureError: there is none.
    """
    throughputs = [
        row.closed["array"][concurrency].throughput
        for name, row in round_.rows.items()
        if name not in ("service", "constant") and concurrency in row.closed.get("array", {})
    ]
    return need(max(throughputs, default=None))


def _judge_shares(run: Results) -> Iterator[Verdict]:
    for concurrency, least in ((16, 0.85), (64, 0.92)):
        for form in FORMS:
            spread = run.collect(partial(share_of_limit, form=form, concurrency=concurrency))
            yield _at_least(f"throughput as a share of the limit, concurrency {concurrency}, {form}", least, spread)


def _judge_peers(run: Results) -> Iterator[Verdict]:
    for concurrency in (16, 64):
        spread = run.collect(partial(_against_peers, concurrency=concurrency))
        yield _at_least(f"against the fastest peer on the same JSON body, concurrency {concurrency}", 2, spread, "×")
    for concurrency in (16, 64):
        spread = run.collect(partial(_against_tutorial, concurrency=concurrency))
        yield _at_least(f"against the tutorial's pattern, concurrency {concurrency}", 150, spread, "×")
    for form in FORMS:
        name = f"p50 at concurrency 1, above the constant route plus the engine at batch 1, {form}"
        yield _at_most(name, 0.10, run.collect(partial(_overhead_ms, form=form)), "ms")


def _judge_overload(run: Results) -> Iterator[Verdict]:
    for form in SERVICE.open_forms:
        share = run.collect(partial(_goodput_share, form=form))
        yield _at_least(f"goodput at twice the capacity, as a share of peak, {form}", 0.9, share)
        refusal = run.collect(partial(_refusal_ms, form=form))
        yield _at_most(f"time to refuse at twice the capacity, p99, {form}", 20, refusal, "ms")


def _judge_process(run: Results) -> Iterator[Verdict]:
    start = run.collect(lambda round_: need(round_.rows["service"].start_s))
    yield _at_most("start to first right answer, compiled form in the cache", 1.5, start, "s")
    rss = run.collect(lambda round_: need(round_.rows["service"].memory).rss / _MB)
    yield _at_most("resident memory of one worker, after the closed loops", 130, rss, "MB")
    speed_up = run.collect(lambda round_: need(round_.two_workers) / need(round_.one_worker))
    yield _at_least("two workers on two cores, against one, engine-bound work", 1.8, speed_up, "×")


def _judge_once(run: Results) -> Iterator[Verdict]:
    for load, lag_ms in run.lag_ms.items():
        yield _at_most(f"event-loop lag, p99, {load}", 5, Spread(lag_ms, lag_ms, lag_ms), "ms")
    if run.rss_after:
        (few, before), (many, after) = sorted(run.rss_after.items())
        growth = (after - before) / _MB
        name = f"memory after {many:,} predictions, against after {few:,}"
        yield _at_most(name, 2, Spread(growth, growth, growth), "MB")


def _against_peers(round_: Round, concurrency: int) -> float:
    return _service(round_, "array", concurrency).throughput / fastest_peer(round_, concurrency)


def _against_tutorial(round_: Round, concurrency: int) -> float:
    tutorial = round_.rows["tutorial"].closed["array"][concurrency].throughput
    return _service(round_, "array", concurrency).throughput / tutorial


def _service(round_: Round, form: str, concurrency: int) -> Loop:
    return round_.rows["service"].closed[form][concurrency]


def _goodput_share(round_: Round, form: str) -> float:
    peak = max(_service(round_, form, concurrency).throughput for concurrency in CONCURRENCIES)
    return round_.rows["service"].open[form][_OVERLOAD].goodput / peak


def _refusal_ms(round_: Round, form: str) -> float:
    return need(round_.rows["service"].open[form][_OVERLOAD].refusal).p99_ms


def _overhead_ms(round_: Round, form: str) -> float:
    ours = need(_service(round_, form, 1).latency)
    floor = need(round_.rows["constant"].closed[form][1].latency)
    return ours.p50_ms - floor.p50_ms - round_.engine_s[1] * 1e3


def show(spread: Spread | None, unit: str = "") -> str:
    """Write a figure: the median, with the lowest and the highest where there were several rounds."""
    if spread is None:
        return "—"
    median = digits(spread.median)
    span = "" if spread.low == spread.high else f" ({digits(spread.low)}–{digits(spread.high)})"
    return f"{median}{f' {unit}' if unit else ''}{span}"


def digits(value: float) -> str:
    """Write a number with as many digits as it is good for."""
    if abs(value) >= 100:  # noqa: PLR2004  # three digits in all
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004  # the same


def _at_least(figure: str, least: float, spread: Spread | None, unit: str = "") -> Verdict:
    is_met = None if spread is None else spread.median >= least
    return Verdict(figure, f"≥ {least:g} {unit}".strip(), show(spread, unit), is_met)


def _at_most(figure: str, most: float, spread: Spread | None, unit: str) -> Verdict:
    is_met = None if spread is None else spread.median <= most
    return Verdict(figure, f"≤ {most:g} {unit}", show(spread, unit), is_met)
