"""Figures beside their targets, as the tables show them."""

from dataclasses import dataclass

from benchmarks.results import Spread


@dataclass(frozen=True)
class Verdict:
    """One row of the table of targets."""

    figure: str
    target: str
    measured: str
    is_met: bool | None
    """`None` where there is nothing to judge by."""


def once(value: float) -> Spread:
    """Give a figure that was measured once."""
    return Spread(value, value, value)


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


def at_least(figure: str, least: float, spread: Spread | None, unit: str = "") -> Verdict:
    """Judge a figure that must be at least so much."""
    is_met = None if spread is None else spread.median >= least
    return Verdict(figure, f"≥ {least:g} {unit}".strip(), show(spread, unit), is_met)


def at_most(figure: str, most: float, spread: Spread | None, unit: str = "") -> Verdict:
    """Judge a figure that may be at most so much."""
    is_met = None if spread is None else spread.median <= most
    return Verdict(figure, f"≤ {most:g} {unit}".strip(), show(spread, unit), is_met)
