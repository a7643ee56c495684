"""`fashion-api serve`; what it serves is tested in tests/server and tests/contract."""

import pytest

from fashion_api.cli.main import run


def test_address_that_cannot_be_listened_on_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An address that is none of this machine's is an error before the model is loaded."""
    assert run(["serve", "--host", "192.0.2.1", "--port", "0"]) == 1
    assert "192.0.2.1" in capsys.readouterr().err
