"""The panels of deploy/monitoring/dashboard.json, drawn from a Prometheus as Grafana would."""

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, Formatter, FuncFormatter, MaxNLocator, PercentFormatter

from benchmarks.soak.prometheus import MONITORING, SCRAPE_S, Prometheus, Series

_VARIABLES = {"$__rate_interval": f"{4 * SCRAPE_S}s", "$job": "fashion-api"}  # the interval as Grafana chooses it
_MUTED = "#666666"
_EXPECTED = "test set"
_COLUMNS = 24  # of Grafana's grid
_WIDTH_IN, _ROW_IN = 11.0, 0.38
_LEFT_IN, _RIGHT_IN, _TITLE_IN, _LEGEND_IN = 0.6, 0.15, 0.4, 0.9
_LEGEND_CHARACTERS = 54  # that fit below the axes of a third of the width, with the marks of a column being some six
_MOST_NAMES = 9  # beyond, what is expected shares one entry of the legend
_UNITS: Mapping[str, Formatter] = {
    "s": EngFormatter("s"),
    "bytes": EngFormatter("B"),
    "percentunit": PercentFormatter(1.0),
    "reqps": FuncFormatter(lambda value, _: f"{value:g}/s"),
    "short": FuncFormatter(lambda value, _: f"{value:g}"),
}

Panel = dict[str, Any]
"""A panel, as dashboard.json has it."""


@dataclass(frozen=True)
class Span:
    """A time to be shaded, in seconds since the epoch."""

    start: float
    end: float


def draw_dashboard(prometheus: Prometheus, start: float, end: float, spans: Sequence[Span]) -> bytes:
    """Draw the dashboard from `start` to `end`, in seconds since the epoch, with numbered spans shaded; gives a PNG."""
    panels: list[Panel] = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    figure = Figure(figsize=(_WIDTH_IN, rows * _ROW_IN), dpi=100)
    for panel in panels:
        axes = _place(figure, panel, rows * _ROW_IN)
        if panel["type"] == "stat":
            _write_values(axes, panel, list(_find_last(panel, prometheus, end)))
        else:
            _draw_lines(axes, list(_find_lines(panel, prometheus, start, end)))
            _dress(axes, panel, minutes=(end - start) / 60)
            _shade(axes, start, spans)
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    return content.getvalue()


def _place(figure: Figure, panel: Panel, height_in: float) -> Axes:
    """Make the axes of a panel where the dashboard has it, with room for the title above, and below for the legend."""
    place = panel["gridPos"]
    left, top = place["x"] / _COLUMNS * _WIDTH_IN + _LEFT_IN, place["y"] * _ROW_IN + _TITLE_IN
    width = place["w"] / _COLUMNS * _WIDTH_IN - _LEFT_IN - _RIGHT_IN
    height = place["h"] * _ROW_IN - _TITLE_IN - (0 if panel["type"] == "stat" else _LEGEND_IN)
    bottom = height_in - top - height
    axes = figure.add_axes((left / _WIDTH_IN, bottom / height_in, width / _WIDTH_IN, height / height_in))
    axes.set_title(panel["title"], loc="left", fontsize=10, fontweight="bold", pad=12)
    return axes


def _find_last(panel: Panel, prometheus: Prometheus, at: float) -> Iterator[tuple[str, Series]]:
    """Give the series of a panel at a time, each with its name."""
    for target in panel["targets"]:
        for series in prometheus.query(_fill(target["expr"]), at):
            yield _name(target, series), series


def _find_lines(panel: Panel, prometheus: Prometheus, start: float, end: float) -> Iterator[tuple[str, Series]]:
    """Give the series of a panel between two times, each with its name; times are in minutes since the first."""
    for target in panel["targets"]:
        for series in prometheus.query_range(_fill(target["expr"]), start, end):
            minutes = tuple((at - start) / 60 for at in series.times)
            yield _name(target, series), Series(series.labels, minutes, series.values)


def _fill(expression: str) -> str:
    for variable, value in _VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def _name(target: Mapping[str, str], series: Series) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda label: series.labels.get(label[1], ""), target["legendFormat"])


def _write_values(axes: Axes, panel: Panel, found: Sequence[tuple[str, Series]]) -> None:
    """Write the values, or the names where the panel shows these."""
    axes.set_axis_off()
    is_named = panel["options"].get("textMode") == "name"
    lines = [name if is_named else f"{series.values[-1]:.0f}  {name}" for name, series in found]
    axes.text(0, 1, "\n".join(lines), va="top", fontsize=9, linespacing=1.4, transform=axes.transAxes)


def _draw_lines(axes: Axes, found: Sequence[tuple[str, Series]]) -> None:
    """Draw a line a series; what is expected of a series has its colour, in dots."""
    has_many = len(found) > _MOST_NAMES
    colours: dict[str, str] = {}
    for name, series in found:
        is_expected = name.startswith(_EXPECTED)
        colour = colours.setdefault(name.removeprefix(f"{_EXPECTED}: "), f"C{len(colours) % 10}")
        label = "_" if is_expected and has_many else name
        axes.plot(series.times, series.values, ":" if is_expected else "-", color=colour, linewidth=1.1, label=label)
    if has_many:
        axes.plot([], [], ":", color=_MUTED, linewidth=1.1, label=_EXPECTED)


def _dress(axes: Axes, panel: Panel, *, minutes: float) -> None:
    axes.set(xlim=(0, minutes), ylim=(0, None))
    axes.yaxis.set_major_formatter(_UNITS[panel["fieldConfig"]["defaults"]["unit"]])
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} min"))
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    _, names = axes.get_legend_handles_labels()
    columns = max(1, _LEGEND_CHARACTERS // (6 + max(map(len, names), default=0)))
    axes.legend(loc="upper left", bbox_to_anchor=(-0.04, -0.1), ncols=columns, fontsize=7.5, frameon=False)


def _shade(axes: Axes, start: float, spans: Sequence[Span]) -> None:
    for number, span in enumerate(spans, start=1):
        begin, end = (span.start - start) / 60, (span.end - start) / 60
        axes.axvspan(begin, end, color=_MUTED, alpha=0.2, linewidth=0)
        place = axes.get_xaxis_transform()
        axes.text((begin + end) / 2, 1.01, str(number), transform=place, ha="center", fontsize=7, color=_MUTED)
