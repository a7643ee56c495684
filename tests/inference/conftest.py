"""The cache that the tests of the committed model share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder, in which the committed model is compiled once for all tests of a session."""
    return tmp_path_factory.mktemp("cache")
