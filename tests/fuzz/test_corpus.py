"""The inputs that fuzzing starts from, and those that once broke something, sent to their targets."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, Target

CORPUS = Path(__file__).parent / "corpus"
INPUTS = [path for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.fixture(scope="module")
def find_target() -> Iterator[Callable[[str], Target]]:
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(TARGETS[name].open()))


@pytest.mark.parametrize("path", INPUTS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_input_breaks_nothing(find_target: Callable[[str], Target], path: Path) -> None:
    """An input is read or refused, and the server answers it once."""
    find_target(path.parent.name)(path.read_bytes())
