"""The plot beside the tables: throughput of everyone, and latency at four fifths of each one's capacity."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.lineup import LINEUP, PEERS, SERVICE, Contender
from benchmarks.measure import CONCURRENCIES
from benchmarks.results import Results, Round, Spread, need

_LOAD = 0.8
_BUSIEST = CONCURRENCIES[-1]
_COLOURS = ("#a8c5da", "#4f8fb8", "#17486b")
_INK = "#222222"


def draw(run: Results, path: Path) -> None:
    """Draw the plot into a PNG file."""
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": "#888888", "text.color": _INK})
    contenders = [contender for contender in LINEUP if _throughput(run, contender, _BUSIEST)]
    contenders.sort(key=lambda contender: _median(_throughput(run, contender, _BUSIEST)))
    figure = Figure(figsize=(11, 1.8 + 0.6 * len(contenders)), layout="constrained", facecolor="white")
    throughput, latency = figure.subplots(1, 2, sharey=True)
    _draw_throughput(throughput, run, contenders)
    _draw_latency(latency, run, contenders)
    throughput.set_yticks(range(len(contenders)), [_name(contender) for contender in contenders])
    throughput.set_ylim(-0.6, len(contenders) - 0.4)
    figure.suptitle(_describe(run, contenders), x=0.01, ha="left", fontsize=12)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _describe(run: Results, contenders: Sequence[Contender]) -> str:
    """Say how the service compares with the fastest peer on the same body, in ratios of the same rounds."""
    peers = [contender for contender in contenders if contender in PEERS and "array" in contender.forms]
    ours = _throughput(run, SERVICE, _BUSIEST)
    if not peers or ours is None:
        return "Right answers a second, and latency"
    peer = peers[-1]  # the last in the order of their medians
    ratio = run.collect(
        lambda round_: _get_throughput(round_, SERVICE, _BUSIEST) / _get_throughput(round_, peer, _BUSIEST)
    )
    finding = f"{_name(SERVICE)} gives {_median(ratio):.1f} times the answers of {_name(peer)}"
    return f"{finding}, the fastest peer measured, with {_BUSIEST} callers"


def _draw_throughput(axes: Any, run: Results, contenders: Sequence[Contender]) -> None:  # noqa: ANN401  # Matplotlib's
    for place, concurrency in enumerate(CONCURRENCIES):
        spreads = [_throughput(run, contender, concurrency) for contender in contenders]
        rows = [row + 0.2 * (1 - place) for row, spread in enumerate(spreads) if spread]
        found = [spread for spread in spreads if spread]
        values = [spread.median for spread in found]
        ends = [[spread.median - spread.low for spread in found], [spread.high - spread.median for spread in found]]
        axes.errorbar(
            values, rows, xerr=ends, fmt="o", color=_COLOURS[place], capsize=2, label=f"concurrency {concurrency}"
        )
        if concurrency == _BUSIEST:
            for row, value in zip(rows, values, strict=True):
                axes.annotate(f"{value:,.0f}", (value, row), (0, -13), textcoords="offset points", ha="center")
    axes.set_xlim(0, None)
    axes.set_title("Right answers a second on one core; median, lowest and highest round", loc="left", fontsize=9)
    axes.legend(loc="lower right", frameon=False)
    _tidy(axes)


def _draw_latency(axes: Any, run: Results, contenders: Sequence[Contender]) -> None:  # noqa: ANN401  # Matplotlib's
    markers = {"p50_ms": ("o", "p50"), "p99_ms": ("s", "p99"), "p999_ms": ("D", "p99.9")}
    for row, contender in enumerate(contenders):
        values = [_median(_open_latency(run, contender, field)) for field in markers]
        if not all(values):
            continue
        rate = run.collect(partial(_get_rate, contender=contender))
        said = f"at {_median(rate):,.0f} requests a second"
        axes.annotate(said, (values[0], row), (0, 9), textcoords="offset points")
        axes.plot([values[0], values[-1]], [row, row], color="#bbbbbb", zorder=1)
        for value, (marker, _), colour in zip(values, markers.values(), _COLOURS, strict=True):
            axes.scatter(value, row, marker=marker, color=colour, zorder=2)
    for (marker, label), colour in zip(markers.values(), _COLOURS, strict=True):
        axes.scatter([], [], marker=marker, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_title("Latency at 80 % of each one's own capacity, in ms (log scale)", loc="left", fontsize=9)
    axes.legend(loc="upper right", frameon=False)
    _tidy(axes)


def _tidy(axes: Any) -> None:  # noqa: ANN401  # Matplotlib's
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e5e5e5", zorder=0)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:,g}")


def _name(contender: Contender) -> str:
    return contender.title.replace("*", "").replace("`", "")


def _form(contender: Contender) -> str:
    return "array" if "array" in contender.forms else contender.forms[0]


def _throughput(run: Results, contender: Contender, concurrency: int) -> Spread | None:
    return run.collect(partial(_get_throughput, contender=contender, concurrency=concurrency))


def _get_throughput(round_: Round, contender: Contender, concurrency: int) -> float:
    return round_.rows[contender.name].closed[_form(contender)][concurrency].throughput


def _get_rate(round_: Round, contender: Contender) -> float:
    return need(round_.rows[contender.name].open[_form(contender)][_LOAD].rate)


def _open_latency(run: Results, contender: Contender, field: str) -> Spread | None:
    name, form = contender.name, _form(contender)
    return run.collect(lambda round_: getattr(need(round_.rows[name].open[form][_LOAD].latency), field))


def _median(spread: Spread | None) -> float:
    return spread.median if spread else 0.0
