"""Settings, from the environment, from .env, and from flags."""

from pathlib import Path

import pytest

from fashion_api.errors import SettingsError
from fashion_api.settings import Settings, TrainingSettings, load_settings


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    """A place for a .env file; there is none yet."""
    return tmp_path / ".env"


def test_environment_sets(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A FASHION_ variable sets its setting."""
    monkeypatch.setenv("FASHION_PORT", "8123")
    assert load_settings(Settings, env_file=env_file).port == 8123


def test_env_file_sets(env_file: Path) -> None:
    """So does a line of the .env file."""
    env_file.write_text("FASHION_PORT=8124\nOTHER=1\n")
    assert load_settings(Settings, env_file=env_file).port == 8124


def test_environment_wins_over_env_file_and_flags_over_both(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A flag is stronger than the environment, which is stronger than .env."""
    env_file.write_text("FASHION_PORT=1\nFASHION_WORKERS=2\n")
    monkeypatch.setenv("FASHION_PORT", "3")
    monkeypatch.setenv("FASHION_HOST", "0.0.0.0")  # noqa: S104  # only read
    settings = load_settings(Settings, env_file=env_file, overrides={"host": "::1"})
    assert (settings.workers, settings.port, settings.host) == (2, 3, "::1")


@pytest.mark.parametrize("value", ["a, b,c", '["a", "b", "c"]'], ids=["commas", "JSON"])
def test_list_may_be_written_in_two_ways(monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str) -> None:
    """A list is written with commas, or as JSON."""
    monkeypatch.setenv("FASHION_CLASS_NAMES", value)
    assert load_settings(Settings, env_file=env_file).class_names == ("a", "b", "c")


@pytest.mark.parametrize(("value", "teachers"), [("[]", ()), ("", None)], ids=["none", "unset"])
def test_empty_list_is_not_an_unset_one(
    monkeypatch: pytest.MonkeyPatch, env_file: Path, value: str, teachers: tuple[Path, ...] | None
) -> None:
    """`[]` is a list of none, where a variable set to nothing leaves the choice to the recipe."""
    monkeypatch.setenv("FASHION_TEACHERS", value)
    assert load_settings(TrainingSettings, env_file=env_file).teachers == teachers


def test_unknown_name_in_the_environment_is_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A FASHION_ variable that is no setting is named, with the one that was probably meant."""
    monkeypatch.setenv("FASHION_PROT", "8000")
    with pytest.raises(SettingsError, match=r"FASHION_PROT in the environment; did you mean FASHION_PORT\?"):
        load_settings(Settings, env_file=env_file)


def test_unknown_name_in_the_env_file_is_refused(env_file: Path) -> None:
    """The same holds for the .env file, which is named."""
    env_file.write_text("FASHION_NOTHING_LIKE_IT=1\n")
    with pytest.raises(SettingsError, match=r"FASHION_NOTHING_LIKE_IT in .*\.env"):
        load_settings(Settings, env_file=env_file)


def test_training_settings_are_known_to_serving(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """One .env may hold the settings of both halves."""
    monkeypatch.setenv("FASHION_EPOCHS", "3")
    assert load_settings(Settings, env_file=env_file).port == 8000
    assert load_settings(TrainingSettings, env_file=env_file).epochs == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FASHION_PORT", "http"),
        ("FASHION_PORT", "65536"),
        ("FASHION_WORKERS", "0"),
        ("FASHION_ENGINE", "torch"),
        ("FASHION_REQUEST_TIMEOUT_S", "0"),
        ("FASHION_LOG_LEVEL", "loud"),
        ("FASHION_CLASS_NAMES", "one"),
        ("FASHION_CLASS_NAMES", "[1"),
        ("FASHION_LEARNING_RATE", "-1"),
        ("FASHION_OPTIMIZER", "lion"),
        ("FASHION_DROPOUT_RATES", "0.3,1.5"),
    ],
)
def test_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, env_file: Path, name: str, value: str) -> None:
    """A value that a setting cannot have is refused, and the setting named."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings(TrainingSettings, env_file=env_file)


def test_limits_that_contradict_each_other_are_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """A request that the queue could never hold may not be allowed."""
    monkeypatch.setenv("FASHION_MAX_QUEUE_SIZE", "10")
    with pytest.raises(SettingsError, match="could never be taken in"):
        load_settings(Settings, env_file=env_file)


def test_class_named_twice_is_refused(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """Two classes of one name could not be told apart in an answer."""
    monkeypatch.setenv("FASHION_CLASS_NAMES", "a,b,a")
    with pytest.raises(SettingsError, match="twice"):
        load_settings(Settings, env_file=env_file)


def test_keys_are_not_shown(monkeypatch: pytest.MonkeyPatch, env_file: Path) -> None:
    """An API key does not appear where settings are printed."""
    monkeypatch.setenv("FASHION_API_KEYS", "hush")
    assert "hush" not in repr(load_settings(Settings, env_file=env_file))
