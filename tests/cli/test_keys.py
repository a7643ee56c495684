"""`fashion-api keys`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fashion_api.cli.main import run
from fashion_api.service.keys import ApiKeys
from fashion_api.settings import Settings


def test_new_key_is_shown_beside_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output, appended to the file, has the key accepted that standard error shows."""
    file = tmp_path / "keys.toml"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    for arguments in (["laptop"], ["visitor", "--expires", tomorrow]):
        assert run(["keys", "new", *arguments]) == 0
        shown = capsys.readouterr()
        with file.open("a") as lines:
            lines.write(shown.out)
        key = shown.err.split()[-1].encode()
        assert ApiKeys(Settings(_env_file=None, api_keys_file=file)).find_name(key) == arguments[0]
        assert key.decode() not in shown.out
    assert f"expires = {tomorrow}" in file.read_text()


@pytest.mark.parametrize(
    "arguments", [["a b"], [""], ["laptop", "--expires", "soon"], ["laptop", "--expires", "2020-01-31"]]
)
def test_wrong_call_is_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A name that the file cannot have, no day, or one that is past, is a wrong call, and no key is made."""
    assert run(["keys", "new", *arguments]) == 2
    shown = capsys.readouterr()
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)
