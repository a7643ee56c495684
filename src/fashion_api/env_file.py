"""The `.env` file: variables for settings, one a line."""

import io
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from fashion_api.errors import SettingsError


def read_env_file(path: Path, *, prefix: str) -> dict[str, str | None]:
    """Read the variables of a `.env` file; there are none where it is missing.

    Args:
        path: the file.
        prefix: what the names of our own variables begin with. Of other programs' lines, those that cannot be read are
            passed over.

    Raises:
        SettingsError: it cannot be read, or a line with the prefix sets nothing; the message names file and line.
    """
    try:
        text = path.read_text("utf-8-sig") if path.is_file() else ""
    except UnicodeDecodeError:
        raise SettingsError(f"{path} is not UTF-8: save it as UTF-8") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    for binding in parse_stream(io.StringIO(text)):
        if _sets_nothing(binding) and prefix in binding.original.string.upper():
            raise SettingsError(
                f"{path}, line {binding.original.line}: must be {prefix}NAME=VALUE, with quotes that are closed"
            )
    return dotenv_values(stream=io.StringIO(text))


def _sets_nothing(binding: Binding) -> bool:
    return binding.error or (binding.key is not None and binding.value is None)
