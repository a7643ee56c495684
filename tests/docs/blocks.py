"""The blocks of a page of documentation: what a reader pastes, and the answers that are shown below."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

from markdown_it import MarkdownIt

_MARK = re.compile(r"<!-- (not run|run instead|serves|fails)(?:: (.*?))? -->", re.DOTALL)
_TITLE = re.compile(r'title="([^"]+)"')
ANYTHING = "..."
"""In a JSON answer: any text, any further elements, or, as a key, any further fields."""


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    line: int
    language: str
    title: str | None
    """The name of the file that it is, if it is one."""
    content: str
    mark: str | None = None
    """What the comment before it says: `not run`, `run instead`, `serves` or `fails`."""
    note: str = ""
    """The reason, or what to run instead."""


def read_blocks(page: Path) -> Iterator[Block]:
    """Give the blocks of a page, each with the comment just before it."""
    mark, note = None, ""
    for token in MarkdownIt().parse(page.read_text()):
        if token.type == "fence":
            language, _, rest = token.info.strip().partition(" ")
            title = _TITLE.search(rest)
            line = token.map[0] + 1 if token.map else 0
            yield Block(line, language, title[1] if title else None, token.content, mark, note)
        found = _MARK.fullmatch(token.content.strip()) if token.type == "html_block" else None
        mark, note = (found[1], found[2] or "") if found else (None, "")


def check_json(shown: str, answered: str) -> None:
    """Compare a JSON answer with the one that a page shows; numbers to as many digits as the page has.

    Raises:
        AssertionError: they differ.
    """
    _compare(json.loads(shown, parse_float=Decimal), json.loads(answered, parse_float=Decimal), "$")


def _compare(shown: object, answered: object, where: str) -> None:
    if shown == ANYTHING:
        return
    if isinstance(shown, dict) and isinstance(answered, dict):
        if ANYTHING in shown:
            answered = {key: answered[key] for key in answered if key in shown}
            shown = {key: value for key, value in shown.items() if key != ANYTHING}
        assert list(shown) == list(answered), f"{where} has the fields {list(answered)}"
        for key, value in shown.items():
            _compare(value, answered[key], f"{where}.{key}")
    elif isinstance(shown, list) and isinstance(answered, list):
        if shown and shown[-1] == ANYTHING:
            shown, answered = shown[:-1], answered[: len(shown) - 1]
        assert len(shown) == len(answered), f"{where} has {len(answered)} elements"
        for at, pair in enumerate(zip(shown, answered, strict=True)):
            _compare(*pair, f"{where}[{at}]")
    else:
        if isinstance(shown, Decimal) and isinstance(answered, Decimal):
            answered = answered.quantize(shown)
        assert shown == answered, f"{where} is {answered}, and {shown} on the page"


def check_text(shown: str, printed: str) -> None:
    """Compare what a command prints with what a page shows; `...` stands for anything.

    Raises:
        AssertionError: they differ.
    """
    assert OutputChecker().check_output(shown, printed, ELLIPSIS | NORMALIZE_WHITESPACE), f"it printed:\n{printed}"
