"""API keys: who may use the service. They come from the settings, and from a file that has digests only."""

import hashlib
import logging
import secrets
import time
import tomllib
from collections.abc import Iterable
from datetime import UTC, date, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fashion_api.errors import UnauthenticatedError
from fashion_api.files import read_file
from fashion_api.settings import Settings, name_variable

logger = logging.getLogger(__name__)

NAME = r"[A-Za-z0-9_-]{1,64}"
"""What a key may be called: a bare key of TOML (https://toml.io/en/v1.0.0#keys)."""
_PREFIX = "fashion_"  # by which tools that look for lost secrets know one
_RANDOM_BYTES = 24
_MAX_BYTES = 16 * 1024 * 1024


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    expires: date | None = None


_NAME_ITSELF = "[key]"  # Pydantic's, for what stands before the `=`
_NO_NAME = "a name has letters, digits, - and _ only, at most 64"
_MESSAGES = {
    "string_pattern_mismatch": "is no SHA-256, which has 64 digits of 0-9 and a-f",
    "model_type": "is not of the form { sha256 = ... }; `fashion-api keys new NAME` writes a line",
}
"""By Pydantic's type of the fault, where its own words are not for who wrote the file."""

_FILE = TypeAdapter(dict[Annotated[str, Field(pattern=f"^{NAME}$")], _Entry])


class ApiKey(NamedTuple):
    """A key that is accepted."""

    name: str
    digest: bytes
    """Its SHA-256."""
    expires_at_s: float = float("inf")
    """Seconds since 1970 from which on it is not accepted."""


class ApiKeys:
    """The keys that are in force.

    Raises:
        SettingsError: the file cannot be read, or is not a file of keys.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = self._read()
        self.are_needed = settings.needs_key
        """Whether a request needs a key. Nobody may pass where all have expired."""

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> str | None:
        """Give the name of the key that a request shows, in `X-API-Key` or else in `Authorization: Bearer`.

        Args:
            headers: of the request, their names in lower case.

        Returns:
            `None` where no key is needed.

        Raises:
            UnauthenticatedError: a key is needed, and none that is accepted is shown.
        """
        if not self.are_needed:
            return None
        name = self.find_name(_find_key(headers))
        if name is None:
            raise UnauthenticatedError("a valid API key is needed: X-API-Key: KEY, or Authorization: Bearer KEY")
        return name

    def find_name(self, shown: bytes) -> str | None:
        """Give the name of the key that is shown; `None` where it is not accepted."""
        digest = hashlib.sha256(shown).digest()
        # Each is compared, so that the time it takes does not say which key was near.
        found = [key for key in self._keys if secrets.compare_digest(digest, key.digest)]
        return next((key.name for key in found if time.time() < key.expires_at_s), None)

    def reload(self) -> None:
        """Read the file anew; where it is broken, the keys stay as they are.

        Raises:
            SettingsError: it is broken.
        """
        if self._settings.api_keys_file is not None:
            self._keys = self._read()
            logger.info("%d API key(s) are in force", len(self._keys))

    def _read(self) -> tuple[ApiKey, ...]:
        variable = name_variable("api_keys")
        given = [
            ApiKey(f"{variable}[{place}]", hashlib.sha256(key.get_secret_value().encode()).digest())
            for place, key in enumerate(self._settings.api_keys)
        ]
        path = self._settings.api_keys_file
        if path is None:
            return tuple(given)
        try:
            return (*given, *read_keys(path))
        except OSError as error:
            raise self._settings.make_error("api_keys_file", f"{path}: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise self._settings.make_error("api_keys_file", f"{path}: {_describe(error)}") from error


def _find_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Give the first `X-API-Key`, or else the first bearer token, which may be for a proxy that passes it on."""
    bearer = None
    for name, value in headers:
        if name == b"x-api-key":
            return bytes(value.strip())
        if bearer is None and name == b"authorization" and value[:7].lower() == b"bearer ":
            bearer = bytes(value[7:].strip())
    return bearer or b""


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read a file of keys.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not TOML, has other entries than those of keys, or none.
        RecursionError: it has lists within lists within lists.
    """
    entries = _FILE.validate_python(tomllib.loads(read_file(path, max_bytes=_MAX_BYTES).decode()))
    if not entries:
        raise ValueError("holds no key; `fashion-api keys new NAME` makes one")
    return tuple(
        ApiKey(name, bytes.fromhex(entry.sha256), float("inf") if entry.expires is None else _begin(entry.expires))
        for name, entry in entries.items()
    )


def make_key(name: str, expires: date | None = None) -> tuple[str, str]:
    """Make a key of 192 random bits; gives it, and its line for the file."""
    key = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    end = "" if expires is None else f", expires = {expires.isoformat()}"
    return key, f'{name} = {{ sha256 = "{hashlib.sha256(key.encode()).hexdigest()}"{end} }}'


def _begin(day: date) -> float:
    return datetime.combine(day, time_of_day(), UTC).timestamp()


def _describe(error: ValueError | RecursionError) -> str:
    """Say what is wrong, without what was written there: it may be a key."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        parts = [str(part) for part in first["loc"] if part != _NAME_ITSELF]
        place = ("…" if part.startswith(_PREFIX) else part for part in parts)  # a key in place of a name
        is_name = _NAME_ITSELF in first["loc"]
        return f"{'.'.join(place)}: {_NO_NAME if is_name else _MESSAGES.get(first['type'], first['msg'])}"
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8"
    return str(error).replace("Cannot overwrite a value", "a name stands there twice, and each key needs its own")
