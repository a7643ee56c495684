"""Reading of the `.env` file."""

from pathlib import Path

import pytest

from fashion_api.env_file import read_env_file
from fashion_api.errors import SettingsError
from fashion_api.settings import Settings, load_settings


def test_variables_are_read(env_file: Path) -> None:
    """Each line gives a variable, comments and lines of other programs that cannot be read none."""
    env_file.write_text("\ufeffOUR_A=1\n# OUR_B=2\nexport OUR_C='two words'\nother: line\n")
    assert read_env_file(env_file, prefix="OUR_") == {"OUR_A": "1", "OUR_C": "two words"}


def test_missing_file_has_no_variables(env_file: Path) -> None:
    """Where there is no .env file, no variable is set."""
    assert read_env_file(env_file, prefix="OUR_") == {}


@pytest.mark.parametrize(
    "line",
    [
        "FASHION_API_KEYS='open",
        "FASHION_API_KEYS",
        "FASHION_API_KEYS: secret",
        'fashion_api_keys "one"',
        "\0FASHION_PORT",
    ],
    ids=["open quote", "no value", "colon", "no equals sign", "NUL"],
)
def test_line_that_sets_nothing_stops_the_start(line: str, env_file: Path) -> None:
    """A line that was to set a setting, and does not, is an error with its number: keys would silently be none."""
    env_file.write_text(f"FASHION_PORT=8001\n{line}\nFASHION_WORKERS=2\n")
    with pytest.raises(SettingsError, match=r"\.env, line 2: must be FASHION_NAME=VALUE"):
        load_settings(Settings, env_file=env_file)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_file_of_another_encoding_is_named(encoding: str, env_file: Path) -> None:
    """A .env file that is not UTF-8, as some editors save it, is an error that names the file."""
    env_file.write_text("FASHION_HOST=über\n", encoding=encoding)
    with pytest.raises(SettingsError, match=r"\.env is not UTF-8"):
        load_settings(Settings, env_file=env_file)
