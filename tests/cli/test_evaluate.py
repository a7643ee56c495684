"""What `fashion-api evaluate` shows; what it measures is tested in tests/training/evaluate."""

import pytest

from fashion_api.cli.evaluate import StageLines
from fashion_api.training.evaluate.stages import Stages
from tests.cli.titles import Titles


def test_stages_are_lines_and_titles(capsys: pytest.CaptureFixture[str]) -> None:
    """A stage is the title while it goes on, and a line when it is done; at the end, no further one is counted."""
    titles = Titles()
    stages = Stages({"read": 1, "measure": 1}, StageLines(titles).show)
    stages.begin("read")
    stages.begin("measure")("left")
    stages.end()
    assert titles.told == [("1/2 read", 0.0), ("2/2 measure", 0.5), ("2/2 measure: left", 0.5), ("done", 1.0)]
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [["1/2", "read"], ["2/2", "measure"]]
