"""The tables in benchmarks/README.md, between its two markers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import plots
from benchmarks.before import COMPARED_AT, EARLIER
from benchmarks.lineup import CONSTANT, GRANIAN, LINEUP, SERVICE, Contender
from benchmarks.measure import CONCURRENCIES, LOADS
from benchmarks.production import OFF, ON, PRODUCTION_AT, PRODUCTION_FORMS
from benchmarks.protocol_figures import tabulate_footprints, tabulate_latency, tabulate_processor, tabulate_throughput
from benchmarks.protocols import SPEAKERS
from benchmarks.results import Comparison, Loop, Overload, Protocols, Results, Round, Row, Spread, Throughputs, need
from benchmarks.targets import (
    AGAINST_BEFORE,
    AGAINST_OFF,
    get_throughput,
    judge,
    share_of_before,
    share_of_limit,
    share_of_off,
)
from benchmarks.verdicts import digits, show

README = Path(__file__).with_name("README.md")
PLOT = README.with_name("results") / "latest.png"
BEGIN, END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
_MB = 1e6


def write(run: Results, readme: Path = README, plot: Path = PLOT) -> None:
    """Write the tables and the plot."""
    if _has_lineup(run):
        plots.draw(run, plot)
    text = readme.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    body = "\n".join(_write_all(run, plot.relative_to(readme.parent)))
    readme.write_text(f"{head}{BEGIN}\n\n{body}\n{END}{tail}")


def _write_all(run: Results, plot: Path) -> Iterator[str]:
    rounds = f"{len(run.rounds)} round{'s' if len(run.rounds) > 1 else ''}"
    yield f"Medians of {rounds} of {run.seconds:g} s a measurement; in brackets the lowest and the highest round.\n"
    if run.is_quick:
        yield "**These are from a quick run, which only shows that all works: they say nothing of speed.**\n"
    yield from _section("Targets", _targets(run))
    if run.protocols is not None:
        yield from _section("The inference protocols", _tabulate_protocols(run.protocols))
    if run.comparison is not None:
        yield from _section("Against an earlier revision, side by side", _compare(run.comparison))
    if run.production:
        yield from _section("With all that serves the operation, and without", _tabulate_production(run.production))
    if _has_lineup(run):
        yield f"![Throughput and latency of everyone compared]({plot})\n"
        yield from _section("Closed loop: the service, by form of request", _forms(run))
        yield from _section("Closed loop: everyone, one image a request as a JSON array", _peers(run))
    if any(round_.shipped for round_ in run.rounds):
        yield from _section("Closed loop: the same with the project's own model", _shipped(run))
    if _has_lineup(run):
        yield from _section("Open loop: fixed rates, as shares of each one's own capacity", _open(run))
    yield from _section("The engine alone, and the load generator", _floors(run))
    yield from _section("Machine and versions", _machine(run))


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield f"### {title}\n"
    yield from lines
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _targets(run: Results) -> Iterator[str]:
    words = {True: "met", False: "**not met**", None: "—"}
    rows = [(verdict.figure, verdict.target, verdict.measured, words[verdict.is_met]) for verdict in judge(run)]
    yield from _table(("figure", "target", "measured", ""), rows)
    if run.overload is not None:
        yield f"\n{_describe(run.overload)}"
    for part, error in run.errors.items():
        yield f"\n- {part}: {error}"


def _describe(overload: Overload) -> str:
    due = overload.rate * overload.seconds
    counts = (
        (overload.accepted, "were answered"),
        (overload.refused, "refused"),
        (overload.failed, "failed"),
        (overload.unsent, "found no connection free"),
    )
    shares = ", ".join(f"{count / due:.1%} {what}" for count, what in counts)
    return f"At ten times the capacity, {due:,.0f} requests were due in {overload.seconds:g} s: {shares}."


def _tabulate_protocols(protocols: Protocols) -> Iterator[str]:
    yield f"Right answers a second, in {len(protocols.rounds)} round(s). A ratio is of figures of the same round.\n"
    for tabulate in (tabulate_throughput, tabulate_processor, tabulate_latency, tabulate_footprints):
        yield from _table(*tabulate(protocols))
        yield ""
    for name, error in protocols.errors.items():
        yield f"- {name}: {error}"


def _compare(comparison: Comparison) -> Iterator[str]:
    head = ("form", "concurrency", "before", "now", "ratio", "target", "now, granian", "ratio")
    rows = []
    for form in SERVICE.forms:
        for at in COMPARED_AT:
            before, now, granian = (
                show(comparison.collect(partial(get_throughput, name=name, form=form, concurrency=at)))
                for name in (EARLIER.name, SERVICE.name, GRANIAN.name)
            )
            ratio, granian_ratio = (
                show(comparison.collect(partial(share_of_before, form=form, concurrency=at, name=name)))
                for name in (SERVICE.name, GRANIAN.name)
            )
            rows.append((form, str(at), before, now, ratio, f"≥ {AGAINST_BEFORE:g}", granian, granian_ratio))
    yield f"Right answers a second: revision {comparison.revision} and now. A ratio is of figures of the same round.\n"
    yield from _table(head, rows)


def _tabulate_production(pairs: Sequence[Throughputs]) -> Iterator[str]:
    rows = []
    for form in PRODUCTION_FORMS:
        for at in PRODUCTION_AT:
            on, off = (show(Spread.of([get_throughput(pair, name, form, at) for pair in pairs])) for name in (ON, OFF))
            ratio = Spread.of([share_of_off(pair, form, at) for pair in pairs])
            rows.append(
                (
                    form,
                    str(at),
                    off,
                    on,
                    f"{ratio.median:.3f} ({ratio.low:.3f}–{ratio.high:.3f})" if ratio else "—",
                    f"≥ {AGAINST_OFF:g}",
                )
            )
    yield f"Right answers a second, in {len(pairs)} pairs. A ratio is of the figures of one pair.\n"
    yield from _table(("form", "concurrency", "off", "on", "ratio", "target"), rows)


def _forms(run: Results) -> Iterator[str]:
    servers = (SERVICE, GRANIAN, CONSTANT)
    names = (*(server.name for server in servers), "share of limit")
    columns = [f"{name}, {at}" for at in CONCURRENCIES for name in names]
    rows = []
    for form in SERVICE.forms:
        row = [form]
        for at in CONCURRENCIES:
            row += [_throughput(run, contender, form, at) for contender in servers]
            row.append(show(run.collect(partial(share_of_limit, form=form, concurrency=at))))
        rows.append(row)
    yield "Right answers a second, at a concurrency of 1, 16 and 64.\n"
    yield from _table(("form", *columns), rows)


def _throughput(run: Results, contender: Contender, form: str, concurrency: int) -> str:
    name = contender.name
    return show(run.collect(lambda round_: round_.rows[name].closed[form][concurrency].throughput))


def _shipped(run: Results) -> Iterator[str]:
    rows = []
    for contender in LINEUP:
        if any(contender.name in round_.shipped for round_ in run.rounds):
            cells = (
                show(run.collect(partial(_shipped_throughput, name=contender.name, concurrency=at)))
                for at in CONCURRENCIES
            )
            rows.append((contender.title, *cells))
    yield from _table(("server", *(f"req/s, {at}" for at in CONCURRENCIES)), rows)
    yield ""
    yield from _list_errors([round_.shipped for round_ in run.rounds])


def _shipped_throughput(round_: Round, name: str, concurrency: int) -> float:
    return round_.shipped[name].closed["array"][concurrency].throughput


def _peers(run: Results) -> Iterator[str]:
    head = (
        "server",
        *(f"req/s, {at}" for at in CONCURRENCIES),
        "p50 / p99 / p99.9 at 1, ms",
        "at 16, ms",
        "at 64, ms",
        "memory (PSS), MB",
        "processes",
        "start, s",
    )
    yield "The start is from the start of the process to the first right answer; the memory that of all processes.\n"
    yield from _table(head, (_peer_row(run, contender) for contender in LINEUP if _is_in(run, contender)))
    yield ""
    yield from _list_errors([round_.rows for round_ in run.rounds])


def _list_errors(rounds: Iterable[Mapping[str, Row]]) -> Iterator[str]:
    for contender in LINEUP:
        errors = {rows[contender.name].error for rows in rounds if contender.name in rows}
        for error in sorted(filter(None, errors)):
            yield f"- {contender.title}: {error}"


def _peer_row(run: Results, contender: Contender) -> list[str]:
    name = contender.name
    form = "array" if "array" in contender.forms else contender.forms[0]
    return [
        f"{contender.title}{'' if form == 'array' else f' ({form})'}",
        *(_throughput(run, contender, form, at) for at in CONCURRENCIES),
        *(_closed_latency(run, name, form, at) for at in CONCURRENCIES),
        show(run.collect(lambda round_: need(round_.rows[name].memory).pss / _MB)),
        _count_processes(run, name),
        show(run.collect(lambda round_: need(round_.rows[name].start_s))),
    ]


def _count_processes(run: Results, name: str) -> str:
    counts = {row.memory.processes for round_ in run.rounds if (row := round_.rows.get(name)) and row.memory}
    return "–".join(str(count) for count in sorted({min(counts), max(counts)})) if counts else "—"


def _closed_latency(run: Results, name: str, form: str, concurrency: int) -> str:
    return _latency([_closed(round_, name, form, concurrency) for round_ in run.rounds])


def _closed(round_: Round, name: str, form: str, concurrency: int) -> Loop | None:
    row = round_.rows.get(name)
    return row.closed.get(form, {}).get(concurrency) if row else None


def _open(run: Results) -> Iterator[str]:
    head = (
        "server",
        "load",
        "req/s due",
        "p50 / p99 / p99.9, ms",
        "goodput, of the rate",
        "refused",
        "failed",
        "time to refuse, p99, ms",
    )
    rows = []
    for contender in LINEUP:
        for form in contender.open_forms:
            for load in LOADS:
                row = _open_row(run, contender, form, load)
                if row:
                    rows.append(row)
    yield "Timed from when a request was due. Goodput is right answers within one second.\n"
    yield from _table(head, rows)


def _open_row(run: Results, contender: Contender, form: str, load: float) -> list[str] | None:
    loops = [
        loop
        for round_ in run.rounds
        if (row := round_.rows.get(contender.name)) and (loop := row.open.get(form, {}).get(load))
    ]
    if not loops:
        return None
    name = contender.name
    due = sum((loop.rate or 0) * run.seconds for loop in loops)
    refused, failed = (
        sum(counts) / due for counts in zip(*((loop.refused, loop.failed) for loop in loops), strict=True)
    )
    return [
        f"{contender.title}, {form}",
        f"{load:.0%}",
        show(run.collect(lambda round_: need(round_.rows[name].open[form][load].rate))),
        _latency(loops),
        show(run.collect(lambda round_: _goodput_share(round_.rows[name].open[form][load]))),
        f"{refused:.1%}",
        f"{failed:.1%}",
        show(run.collect(lambda round_: need(round_.rows[name].open[form][load].refusal).p99_ms)),
    ]


def _goodput_share(loop: Loop) -> float:
    return loop.goodput / need(loop.rate)


def _latency(loops: Sequence[Loop | None]) -> str:
    """The percentiles, each the median of the rounds."""
    latencies = [loop.latency for loop in loops if loop and loop.latency]
    if not latencies:
        return "—"
    columns = zip(*((each.p50_ms, each.p99_ms, each.p999_ms) for each in latencies), strict=True)
    return " / ".join(digits(median(column)) for column in columns)


def _floors(run: Results) -> Iterator[str]:
    sizes = sorted({size for round_ in run.rounds for size in round_.engine_s})
    cells = [show(run.collect(partial(_engine_ms, size=size))) for size in sizes]
    yield from _table(("batch size", *map(str, sizes)), [("ms an image", *cells)])
    if run.ceiling is not None:
        yield f"\nThe load generator makes {run.ceiling:,.0f} requests a second of a server that does next to nothing."


def _engine_ms(round_: Round, size: int) -> float:
    return round_.engine_s[size] * 1e3


def _machine(run: Results) -> Iterator[str]:
    yield from _table(("", ""), run.machine.items())
    yield ""
    titles = {contender.name: contender.title for contender in (*LINEUP, *(each for each, _ in SPEAKERS))}
    yield from _table(("server", "version"), ((titles[name], version) for name, version in run.versions.items()))


def _has_lineup(run: Results) -> bool:
    return any(round_.rows for round_ in run.rounds)


def _is_in(run: Results, contender: Contender) -> bool:
    return any(contender.name in round_.rows for round_ in run.rounds)
