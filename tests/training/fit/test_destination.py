"""Where a run's model is written."""

from pathlib import Path

import pytest

from fashion_api.training.fit.destination import choose_path, locate_checkpoint


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([], "compact.h5"),
        (["compact.h5"], "compact_2.h5"),
        (["compact.json"], "compact_2.h5"),
        (["compact.h5", "compact_2.json"], "compact_3.h5"),
        (["compact_2.h5"], "compact.h5"),
    ],
    ids=["none", "model", "manifest", "two", "gap"],
)
def test_name_that_is_taken_is_numbered(there: list[str], expected: str) -> None:
    """Without a path, a run's model has its recipe's name or, where that is taken, the next one that is free."""
    for name in there:
        touch(Path("models", name))
    assert choose_path("compact", resume=False, force=False) == Path("models", expected)


def test_force_means_the_recipes_name() -> None:
    """With force, the model under the recipe's name is meant."""
    touch(Path("models/compact.h5"))
    assert choose_path("compact", resume=False, force=True) == Path("models/compact.h5")


@pytest.mark.parametrize(
    ("models", "runs", "expected"),
    [
        ([], [], "compact.h5"),
        (["compact.h5"], [], "compact.h5"),
        (["compact.h5"], ["compact_2.h5"], "compact_2.h5"),
        (["compact.h5", "compact_2.h5"], ["compact.h5", "compact_2.h5"], "compact_2.h5"),
        ([], ["compact.h5"], "compact.h5"),
    ],
    ids=["none", "of others", "unfinished", "finished", "first"],
)
def test_last_run_is_resumed(models: list[str], runs: list[str], expected: str) -> None:
    """Without a path, the last run of the recipe that has a checkpoint is resumed."""
    for name in models:
        touch(Path("models", name))
    for name in runs:
        touch(locate_checkpoint(Path("models", name)))
    assert choose_path("compact", resume=True, force=False) == Path("models", expected)
