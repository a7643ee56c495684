"""`fashion-api serve`; what it serves is tested in tests/server and tests/contract."""

import pytest

from fashion_api.cli.main import run


def test_address_that_cannot_be_listened_on_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """An address that is none of this machine's is an error before the model is loaded."""
    assert run(["serve", "--host", "192.0.2.1", "--port", "0"]) == 1
    assert "192.0.2.1" in capsys.readouterr().err


@pytest.mark.parametrize(("flag", "value"), [("port", "abc"), ("port", "99999"), ("workers", "0"), ("root-path", "x")])
def test_bad_value_of_a_flag_is_a_wrong_call(flag: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A bad value is reported with the name of the flag that gave it, not with that of a variable."""
    assert run(["serve", f"--{flag}", value]) == 2
    assert capsys.readouterr().err.startswith(f"fashion-api: --{flag}: ")
