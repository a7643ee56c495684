"""The plot beside the tables: throughput of everyone, and latency at four fifths of each one's capacity."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.lineup import LINEUP, Contender
from benchmarks.measure import CONCURRENCIES
from benchmarks.results import Results, Spread, need

_LOAD = 0.8
_COLOURS = ("#a8c5da", "#4f8fb8", "#17486b")
_INK = "#222222"


def draw(run: Results, path: Path) -> None:
    """Draw the plot into a PNG file."""
    mpl.rcParams.update({"font.size": 9, "axes.edgecolor": "#888888", "text.color": _INK})
    figure = Figure(figsize=(11, 4.6), layout="constrained", facecolor="white")
    throughput, latency = figure.subplots(1, 2, sharey=True)
    contenders = [contender for contender in LINEUP if _throughput(run, contender, CONCURRENCIES[-1])]
    contenders.sort(key=lambda contender: _median(_throughput(run, contender, CONCURRENCIES[-1])))
    _draw_throughput(throughput, run, contenders)
    _draw_latency(latency, run, contenders)
    names = [contender.title.replace("*", "").replace("`", "") for contender in contenders]
    throughput.set_yticks(range(len(contenders)), names)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)


def _draw_throughput(axes: Any, run: Results, contenders: list[Contender]) -> None:  # noqa: ANN401  # Matplotlib's
    height = 0.8 / len(CONCURRENCIES)
    for place, concurrency in enumerate(CONCURRENCIES):
        spreads = [_throughput(run, contender, concurrency) for contender in contenders]
        values = [_median(spread) for spread in spreads]
        lows = [_median(spread) - (spread.low if spread else 0) for spread in spreads]
        highs = [(spread.high if spread else 0) - _median(spread) for spread in spreads]
        positions = [row + height * (1 - place) for row in range(len(contenders))]
        axes.barh(
            positions,
            values,
            height,
            xerr=[lows, highs],
            color=_COLOURS[place],
            ecolor="#777777",
            label=f"concurrency {concurrency}",
        )
        if concurrency == CONCURRENCIES[-1]:
            for position, value in zip(positions, values, strict=True):
                axes.text(value * 1.12, position, f"{value:,.0f}", va="center", fontsize=8)
    axes.set_xscale("log")
    axes.margins(x=0.12)
    axes.set_title("Right answers a second, one core (log scale)", loc="left")
    axes.legend(loc="lower right", frameon=False)
    _tidy(axes)


def _draw_latency(axes: Any, run: Results, contenders: list[Contender]) -> None:  # noqa: ANN401  # Matplotlib's
    markers = {"p50_ms": ("o", "p50"), "p99_ms": ("s", "p99"), "p999_ms": ("D", "p99.9")}
    for row, contender in enumerate(contenders):
        values = [_median(_open_latency(run, contender, field)) for field in markers]
        if not all(values):
            continue
        axes.plot([values[0], values[-1]], [row, row], color="#bbbbbb", zorder=1)
        for value, (marker, _), colour in zip(values, markers.values(), _COLOURS, strict=True):
            axes.scatter(value, row, marker=marker, color=colour, zorder=2)
    for (marker, label), colour in zip(markers.values(), _COLOURS, strict=True):
        axes.scatter([], [], marker=marker, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_title("Latency in ms at 80 % of own capacity (log scale)", loc="left")
    axes.legend(loc="lower right", frameon=False)
    _tidy(axes)


def _tidy(axes: Any) -> None:  # noqa: ANN401  # Matplotlib's
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e5e5e5", zorder=0)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter("{x:,g}")


def _form(contender: Contender) -> str:
    return "array" if "array" in contender.forms else contender.forms[0]


def _throughput(run: Results, contender: Contender, concurrency: int) -> Spread | None:
    name, form = contender.name, _form(contender)
    return run.collect(lambda round_: round_.rows[name].closed[form][concurrency].throughput)


def _open_latency(run: Results, contender: Contender, field: str) -> Spread | None:
    name, form = contender.name, _form(contender)
    return run.collect(lambda round_: getattr(need(round_.rows[name].open[form][_LOAD].latency), field))


def _median(spread: Spread | None) -> float:
    return spread.median if spread else 0.0
