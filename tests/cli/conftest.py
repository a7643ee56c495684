"""What the tests of the commands share."""

from pathlib import Path

import pytest

from tests.idx import write_small_data_set


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test in a folder and with a cache of its own: no `.env` is read, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASHION_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small data set of two classes, configured as an operator would."""
    write_small_data_set(tmp_path / "data")
    monkeypatch.setenv("FASHION_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("FASHION_CLASS_NAMES", "cat,dog")
    monkeypatch.setenv("FASHION_IMAGE_HEIGHT", "4")
    monkeypatch.setenv("FASHION_IMAGE_WIDTH", "5")
    return tmp_path / "data"
