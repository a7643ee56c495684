"""Every block of the documentation runs as it is pasted, and every answer that it shows is the service's."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import Block, check_json, check_text, read_blocks
from tests.docs.desk import Desk, sit_down
from tests.servers import ROOT, ServerProcess, serve

pytestmark = pytest.mark.services

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "samples" / "README.md"]
_RUN = ("sh", "python")
_NEED_TENSORFLOW = ("docs/tutorial/your-own-model.md",)


def _mark(page: Path) -> object:
    name = page.relative_to(ROOT).as_posix()
    return pytest.param(page, id=name, marks=pytest.mark.tensorflow if name in _NEED_TENSORFLOW else ())


@pytest.fixture(scope="module")
def service() -> Iterator[ServerProcess]:
    """The service that pages ask which do not start one."""
    with serve() as server:
        yield server


@pytest.mark.parametrize("page", [_mark(page) for page in PAGES if any(read_blocks(page))])
def test_blocks_run_as_they_are_pasted(
    page: Path, service: ServerProcess, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """Commands and programs run in a fresh clone, and print or are answered what stands below them."""
    with sit_down(tmp_path, service.address[1]) as desk:
        before: Block | None = None
        for block in read_blocks(page):
            if block.language in _RUN or block.language == "json" or _shows_output(before, block):
                with subtests.test(f"{page.relative_to(ROOT)}:{block.line}"):
                    if block.mark == "not run":
                        pytest.skip(block.note)
                    _check(desk, block, before)
            before = block


def _shows_output(before: Block | None, block: Block) -> bool:
    return block.language == "text" and before is not None and before.language in _RUN and before.mark != "not run"


def _check(desk: Desk, block: Block, before: Block | None) -> None:
    is_answer = before is not None and before.language in _RUN and before.title is None
    if block.language in _RUN:
        desk.run(block)
    elif not is_answer or (before and before.mark == "not run"):
        json.loads(block.content)
    elif block.language == "json":
        check_json(block.content, desk.output)
    else:
        check_text(block.content, desk.output)
