"""Pieces of Markdown."""

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>#|~$&]")


def plain(name: str) -> str:
    """Write a name, as that of a class, so that it is read as it is: on one line, and with nothing that is Markdown."""
    return _SPECIAL.sub(r"\\\g<0>", flow(name))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table, with the first column aligned to the left and the others to the right."""
    rule = ("---", *("---:",) * (len(columns) - 1))
    return "\n".join(f"| {' | '.join(row)} |" for row in (columns, rule, *rows))


def flow(text: str) -> str:
    """Write a paragraph as one line, without the line breaks of the source."""
    return " ".join(text.split())


def percent(share: float) -> str:
    """Write a share as a percentage with two decimals."""
    return f"{100 * share:.2f} %"
