"""The keys that are in force, and the file that they come from."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from fashion_api.errors import SettingsError
from fashion_api.service.keys import ApiKeys, make_key
from fashion_api.settings import Settings

DIGEST = hashlib.sha256(b"secret").hexdigest()
TODAY = datetime.now(UTC).date()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.toml"


def read(file: Path, **changes: object) -> ApiKeys:
    return ApiKeys(Settings(_env_file=None, api_keys_file=file).model_copy(update=changes))


def test_key_that_is_made_is_accepted_by_its_name(file: Path) -> None:
    """The line of a new key has it accepted; the line does not hold the key, and another key is another one."""
    made = [make_key(name) for name in ("laptop", "phone")]
    file.write_text("".join(f"{line}\n" for _, line in made))
    keys = read(file)
    assert [keys.find_name(key.encode()) for key, _ in made] == ["laptop", "phone"]
    assert [key in line for key, line in made] == [False, False]
    assert [keys.find_name(shown) for shown in (b"", b"laptop", made[0][0][:-1].encode(), b"\xff")] == [None] * 4


def test_new_key_cannot_be_guessed() -> None:
    """A key has 192 random bits behind a prefix by which a lost one is recognised."""
    key, _ = make_key("laptop")
    assert (key.startswith("fashion_"), len(key.removeprefix("fashion_")) * 6) == (True, 192)


@pytest.mark.parametrize(("days", "expected"), [(-1, None), (0, None), (1, "visitor")])
def test_key_expires_at_the_beginning_of_its_day(file: Path, days: int, expected: str | None) -> None:
    """A key is accepted up to the day that its line names, and needed all the same when all have expired."""
    key, line = make_key("visitor", TODAY + timedelta(days=days))
    file.write_text(line)
    keys = read(file)
    assert (keys.find_name(key.encode()), keys.are_needed) == (expected, True)


def test_keys_of_the_settings_are_accepted_too(file: Path) -> None:
    """Both are in force; those of the settings are named by their place there."""
    file.write_text(f'laptop = {{ sha256 = "{DIGEST}" }}')
    keys = read(file, api_keys=(SecretStr("one"), SecretStr("two")))
    assert [keys.find_name(key) for key in (b"one", b"two", b"secret")] == [
        "FASHION_API_KEYS[0]",
        "FASHION_API_KEYS[1]",
        "laptop",
    ]


def test_key_of_two_lines_is_accepted_while_one_is(file: Path) -> None:
    """A key that has expired under one name, and has another line, is accepted by that one's name."""
    key, line = make_key("old", TODAY)
    file.write_text(f"{line}\n{line.replace('old', 'new').partition(',')[0]} }}\n")
    assert read(file).find_name(key.encode()) == "new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no pipes with names")
def test_pipe_is_not_waited_for(file: Path) -> None:
    """A pipe in place of the file, which nobody may ever write to, is refused."""
    os.mkfifo(file)
    with pytest.raises(SettingsError, match="Not a regular file"):
        read(file)


BROKEN = {
    "no file": (None, "No such file or directory"),
    "no TOML": ("laptop", "Expected '='"),
    "a name twice": (f'a = {{ sha256 = "{DIGEST}" }}\na = {{ sha256 = "{DIGEST}" }}', "a name stands there twice"),
    "a name with a blank": (f'"a b" = {{ sha256 = "{DIGEST}" }}', "a b: a name has letters"),
    "the key itself": ('laptop = { sha256 = "hunter2" }', "laptop.sha256: is no SHA-256"),
    "a text": ('laptop = "hunter2"', "laptop: is not of the form"),
    "another field": (f'laptop = {{ sha256 = "{DIGEST}", key = "hunter2" }}', "laptop.key: Extra inputs"),
    "no date": (f'laptop = {{ sha256 = "{DIGEST}", expires = "hunter2" }}', "laptop.expires: "),
    "no digest": ("laptop = {}", "laptop.sha256: Field required"),
    "a key for a name": ('fashion_hunter2 = "laptop"', "…: is not of the form"),
    "nothing": ("# no key\n", "holds no key"),
    "lists in lists": ("a = " + "[" * 5000, "maximum recursion depth exceeded"),
    "another encoding": (f'# \xe9\nlaptop = {{ sha256 = "{DIGEST}" }}', "is not UTF-8"),
}


def write(file: Path, text: str | None) -> None:
    file.unlink(missing_ok=True)
    if text is not None:
        file.write_text(text, encoding="latin-1")


@pytest.mark.parametrize(("text", "reason"), BROKEN.values(), ids=BROKEN)
def test_broken_file_is_named_with_its_reason(file: Path, text: str | None, reason: str) -> None:
    """A broken file stops the start with its name and what is wrong, and without what may be a key."""
    write(file, text)
    with pytest.raises(SettingsError) as raised:
        read(file)
    message = str(raised.value)
    assert message.startswith(f"FASHION_API_KEYS_FILE: {file}: ")
    assert reason in message
    assert "hunter2" not in message


@pytest.mark.parametrize("text", [text for text, _ in BROKEN.values()], ids=BROKEN)
def test_broken_file_leaves_the_keys_in_force(file: Path, text: str | None) -> None:
    """Read anew while it is broken, it changes nothing, and says so; when it is right again, it counts."""
    key, line = make_key("laptop")
    file.write_text(line)
    keys = read(file)
    write(file, text)
    with pytest.raises(SettingsError, match="FASHION_API_KEYS_FILE"):
        keys.reload()
    assert keys.find_name(key.encode()) == "laptop"
    write(file, f'other = {{ sha256 = "{DIGEST}" }}')
    keys.reload()
    assert [keys.find_name(shown) for shown in (key.encode(), b"secret")] == [None, "other"]
